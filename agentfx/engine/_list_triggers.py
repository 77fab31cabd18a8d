"""`engine::triggers::*` and `engine::registered-triggers::*`."""

import orjson

from agentfx.engine._list_functions import detail, find
from agentfx.engine._search import hidden, selected, worker_name
from agentfx.engine._state import State, Trigger, TriggerType
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError
from agentfx.services._input import Input
from agentfx.wire import Json

SUMMARY_LENGTH = 80


def types(state: State, data: Json) -> Json:
    """Answer `engine::triggers::list`."""
    asked = Input("engine::triggers::list", data)
    worker, internal = asked.text_or_none("worker"), asked.flag("include_internal")
    rows = [
        known
        for known in state.trigger_types.values()
        if (internal or not hidden(known.id, None))
        and worker in (None, worker_name(state, known.owner, known.id))
    ]
    found = selected(rows, asked, lambda known: (known.id, known.description))
    return {"triggers": [type_row(state, known) for known in found]}


def type_info(state: State, data: Json) -> Json:
    """Answer `engine::triggers::info`."""
    asked = Input("engine::triggers::info", data)
    type_id = asked.text("id")
    known = state.trigger_types.get((asked.text_or_none("namespace") or DEFAULT_NAMESPACE, type_id))
    if known is None:
        raise FunctionError("NOT_FOUND", f"Trigger type '{type_id}' is not registered.")
    return _type_detail(state, known)


def listing(state: State, data: Json) -> Json:
    """Answer `engine::registered-triggers::list`."""
    asked = Input("engine::registered-triggers::list", data)
    wanted = asked.text_or_none("trigger_type"), asked.text_or_none("function_id")
    worker, internal = asked.text_or_none("worker"), asked.flag("include_internal")
    rows = [
        trigger
        for trigger in state.triggers.values()
        if trigger.provider is not None
        and wanted[0] in (None, trigger.type)
        and wanted[1] in (None, trigger.function_id)
        and (internal or not hidden(trigger.function_id, None))
        and worker in (None, _trigger_worker(state, trigger))
    ]
    found = selected(rows, asked, lambda trigger: (trigger.id, trigger.function_id))
    return {"registered_triggers": [trigger_row(state, trigger) for trigger in found]}


def info(state: State, data: Json) -> Json:
    """Answer `engine::registered-triggers::info`."""
    trigger_id = Input("engine::registered-triggers::info", data).text("id")
    trigger = state.triggers.get(trigger_id)
    if trigger is None or trigger.provider is None:
        raise FunctionError("NOT_FOUND", f"Trigger '{trigger_id}' is not registered.")
    function = find(state, trigger.function_id, trigger.namespace)
    row = trigger_row(state, trigger)
    del row["config_summary"]
    if trigger.metadata is not None:
        row["metadata"] = trigger.metadata
    row["trigger"] = _type_detail(state, state.trigger_types[trigger.provider])
    row["function"] = None if function is None else detail(state, function)
    return row


def type_row(state: State, known: TriggerType) -> dict[str, Json]:
    """A trigger type in a listing."""
    return {
        "id": known.id,
        "namespace": known.namespace,
        "worker_name": worker_name(state, known.owner, known.id),
        "description": known.description,
    }


def trigger_row(state: State, trigger: Trigger) -> dict[str, Json]:
    """A trigger in a listing."""
    summary = orjson.dumps(trigger.config).decode()
    if len(summary) > SUMMARY_LENGTH:
        summary = summary[: SUMMARY_LENGTH - 1] + "…"
    return {
        "id": trigger.id,
        "trigger_type": trigger.type,
        "function_id": trigger.function_id,
        "worker_name": _trigger_worker(state, trigger),
        "config": trigger.config,
        "config_summary": summary,
    }


def _type_detail(state: State, known: TriggerType) -> dict[str, Json]:
    row = type_row(state, known)
    if known.trigger_request_format is not None:
        row["configuration_schema"] = known.trigger_request_format
    if known.call_request_format is not None:
        row["request_schema"] = known.call_request_format
    key = (known.namespace, known.id)
    row["instance_count"] = sum(trigger.provider == key for trigger in state.triggers.values())
    return row


def _trigger_worker(state: State, trigger: Trigger) -> str:
    function = state.functions.get((trigger.namespace, trigger.function_id))
    owner = trigger.owner if function is None else function.owner
    return worker_name(state, owner, trigger.function_id)
