"""`engine::functions::*`: which functions there are."""

from agentfx.engine._search import function_worker, hidden, selected
from agentfx.engine._state import Function, State
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError
from agentfx.services._input import Input
from agentfx.wire import Json

BATCH_LIMIT = 32


def listing(state: State, data: Json) -> Json:
    """Answer `engine::functions::list`."""
    asked = Input("engine::functions::list", data)
    worker, workers = asked.text_or_none("worker"), asked.texts("workers")
    wanted = {*(workers or ()), *(() if worker is None else (worker,))}
    internal = asked.flag("include_internal")
    rows = [
        function
        for function in state.functions.values()
        if (internal or not hidden(function.id, function.metadata))
        and (not wanted or function_worker(state, function) in wanted)
    ]
    found = selected(rows, asked, lambda function: (function.id, function.description))
    return {"functions": [function_row(state, function) for function in found]}


def info(state: State, data: Json) -> Json:
    """Answer `engine::functions::info`."""
    asked = Input("engine::functions::info", data)
    one, many = asked.text_or_none("function_id"), asked.texts("function_ids")
    namespace = asked.text_or_none("namespace")
    if one is not None and many is not None:
        raise _invalid("give either `function_id` or `function_ids`, not both")
    if one is not None:
        return detail(state, _found(state, one, namespace))
    if many is None:
        raise _invalid("missing field `function_id` (or `function_ids` for a batch)")
    distinct = list(dict.fromkeys(many))
    if not 1 <= len(distinct) <= BATCH_LIMIT:
        raise _invalid(f"`function_ids` must hold 1 to {BATCH_LIMIT} ids")
    return {"functions": [_detail_or_error(state, each, namespace) for each in distinct]}


def function_row(state: State, function: Function) -> dict[str, Json]:
    """A function in a listing."""
    row: dict[str, Json] = {
        "function_id": function.id,
        "namespace": function.namespace,
        "worker_name": function_worker(state, function),
    }
    if function.description is not None:
        row["description"] = function.description
    if function.metadata is not None:
        row["metadata"] = function.metadata
    return row


def detail(state: State, function: Function) -> dict[str, Json]:
    """All about a function."""
    row = function_row(state, function)
    if function.request_format is not None:
        row["request_schema"] = function.request_format
    if function.response_format is not None:
        row["response_schema"] = function.response_format
    row["registered_triggers"] = [
        {"id": trigger.id, "trigger_type": trigger.type, "config": trigger.config}
        for trigger in state.triggers.values()
        if trigger.provider is not None
        and (trigger.namespace, trigger.function_id) == (function.namespace, function.id)
    ]
    return row


def find(state: State, function_id: str, namespace: str | None) -> Function | None:
    """A function by id; without a namespace, in default, or in the only one that has it.

    Raises:
        FunctionError: Several namespaces other than default have it.
    """
    if namespace is not None:
        return state.functions.get((namespace, function_id))
    if preferred := state.functions.get((DEFAULT_NAMESPACE, function_id)):
        return preferred
    found = [function for (_, known), function in state.functions.items() if known == function_id]
    if len(found) > 1:
        places = ", ".join(sorted(function.namespace for function in found))
        raise FunctionError("NOT_FOUND", f"Function '{function_id}' is in several: {places}.")
    return found[0] if found else None


def _found(state: State, function_id: str, namespace: str | None) -> Function:
    function = find(state, function_id, namespace)
    if function is None:
        raise FunctionError("NOT_FOUND", f"Function '{function_id}' is not registered.")
    return function


def _detail_or_error(state: State, function_id: str, namespace: str | None) -> Json:
    try:
        return detail(state, _found(state, function_id, namespace))
    except FunctionError:
        return {"function_id": function_id, "error": "not_found"}


def _invalid(why: str) -> FunctionError:
    return FunctionError("INVALID_ARGUMENTS", why)
