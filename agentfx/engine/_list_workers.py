"""`engine::workers::*`: who is connected, and what this process serves itself."""

from collections import Counter

from agentfx.engine._list_functions import function_row
from agentfx.engine._list_triggers import trigger_row, type_row
from agentfx.engine._search import function_worker, in_process_worker, selected, worker_name
from agentfx.engine._state import Connection, State
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError
from agentfx.services._input import Input
from agentfx.wire import Json


def listing(state: State, data: Json) -> Json:
    """Answer `engine::workers::list`."""
    asked = Input("engine::workers::list", data)
    runtime, status = asked.text_or_none("runtime"), asked.text_or_none("status")
    rows = [
        row
        for row in _rows(state)
        if runtime in (None, row["runtime"]) and status in (None, row["status"])
    ]
    rows.sort(key=lambda row: (row["name"] or "", row["id"]))
    return {"workers": selected(rows, asked, lambda row: (row["name"] or "", row["description"]))}


def info(state: State, data: Json) -> Json:
    """Answer `engine::workers::info`."""
    asked = Input("engine::workers::info", data)
    name, namespace = asked.text("name"), asked.text_or_none("namespace")
    rows = [
        row for row in _rows(state) if row["name"] == name and namespace in (None, row["namespace"])
    ]
    if len(rows) != 1:
        why = f"in {len(rows)} namespaces, name one" if rows else "not connected"
        raise FunctionError("NOT_FOUND", f"Worker '{name}' is {why}.")
    worker = rows[0]
    connection = state.connections.get(worker["id"])
    if connection is not None:
        worker["pid"] = connection.info.pid
    worker["internal"] = connection is None
    owner = None if connection is None else connection.id
    return {
        "worker": worker,
        "functions": [
            function_row(state, function)
            for function in state.functions.values()
            if function.owner == owner and function_worker(state, function) == name
        ],
        "trigger_types": [
            type_row(state, known)
            for known in state.trigger_types.values()
            if known.owner == owner and worker_name(state, known.owner, known.id) == name
        ],
        "registered_triggers": [
            trigger_row(state, trigger)
            for trigger in state.triggers.values()
            if trigger.provider is not None and trigger.owner == owner is not None
        ],
    }


def _rows(state: State) -> list[dict[str, Json]]:
    connected = [
        _connected(connection)
        for connection in state.connections.values()
        if connection.info.pid is not None
    ]
    counts = Counter(
        in_process_worker(function.id)
        for function in state.functions.values()
        if function.owner is None
    )
    return connected + [_in_process(state, name, count) for name, count in counts.items()]


def _connected(connection: Connection) -> dict[str, Json]:
    return {
        "name": connection.name,
        "description": connection.info.description,
        "version": connection.info.version,
        "id": connection.id,
        "namespace": connection.namespace,
        "runtime": connection.info.runtime,
        "os": connection.info.os,
        "status": "connected",
        "function_count": len(connection.functions),
        "connected_at_ms": connection.connected_at_ms,
        "active_invocations": len(connection.calls),
        "isolation": connection.info.isolation,
        "ip_address": connection.ip_address,
    }


def _in_process(state: State, name: str, functions: int) -> dict[str, Json]:
    return {
        "name": name,
        "description": None,
        "version": None,
        "id": name,
        "namespace": DEFAULT_NAMESPACE,
        "runtime": "engine",
        "os": None,
        "status": "available",
        "function_count": functions,
        "connected_at_ms": state.started_ms,
        "active_invocations": 0,
        "isolation": "in-process",
        "ip_address": None,
    }
