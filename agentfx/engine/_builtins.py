"""The functions under `engine::` that the routing answers itself."""

import logging
from collections.abc import Callable

from agentfx.engine import _list_functions, _list_triggers, _list_workers
from agentfx.engine._actions import OpenChannel
from agentfx.engine._state import (
    Builtin,
    Connection,
    Function,
    Reply,
    State,
    Trigger,
    TriggerType,
)
from agentfx.engine._triggers import (
    FUNCTIONS_AVAILABLE,
    WORKERS_AVAILABLE,
    add_trigger,
    remove_trigger,
    watched_by_engine,
)
from agentfx.engine._workers import refuse_worker, register_worker
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError
from agentfx.services._input import Input
from agentfx.wire import Json

MAX_TRIGGERS = 100_000
"""Triggers there may be before calls can make no more; none of these ends with a connection."""

CHANNEL_CAPACITY, MAX_CHANNEL_CAPACITY = 64, 1024

_log = logging.getLogger("agentfx.engine.workers")


def install(state: State) -> None:
    """Put the engine's own functions and trigger types into a fresh state."""
    state.started_ms = state.now_ms()
    for function_id, (description, builtin) in _BUILTINS.items():
        key = (DEFAULT_NAMESPACE, function_id)
        state.functions[key] = Function(*key, None, description, builtin=builtin)
    for level in ("trace", "debug", "info", "warn", "error"):
        key = (DEFAULT_NAMESPACE, f"engine::log::{level}")
        function = Function(*key, None, f"Log at level {level}", builtin=_log_at(level))
        state.functions[key] = function
    for type_id, description in (
        (WORKERS_AVAILABLE, "Fires when a worker connects, says who it is, or disconnects"),
        (FUNCTIONS_AVAILABLE, "Fires when functions are registered or removed"),
    ):
        key = (DEFAULT_NAMESPACE, type_id)
        state.trigger_types[key] = TriggerType(*key, None, description)


def _query(answer: Callable[[State, Json], Json]) -> Builtin:
    def builtin(state: State, call_id: str, caller: Connection | None, data: Json) -> Reply:
        return Reply(answer(state, data))

    return builtin


def _log_at(level: str) -> Builtin:
    def builtin(state: State, call_id: str, caller: Connection | None, data: Json) -> Reply:
        number = logging.getLevelNamesMapping().get(level.upper(), logging.DEBUG)
        _log.log(number, "%s: %.2000r", caller and (caller.name or caller.id), data)
        return Reply()

    return builtin


def _register_worker(state: State, call_id: str, caller: Connection | None, data: Json) -> Reply:
    if caller is None:
        return Reply({"success": False})
    actions = register_worker(state, caller, data)
    if actions is None:
        return Reply(actions=refuse_worker(state, caller, data), deferred=True)
    return Reply({"success": True}, actions)


def _create_channel(state: State, call_id: str, caller: Connection | None, data: Json) -> Reply:
    wanted = Input("engine::channels::create", data).number("buffer_size", CHANNEL_CAPACITY)
    capacity = min(max(wanted, 1), MAX_CHANNEL_CAPACITY)
    channel = OpenChannel(state.new_id(), state.new_id(), state.new_id(), capacity)
    shown = {"channel_id": channel.channel_id}
    return Reply(
        {
            "writer": {**shown, "access_key": channel.writer_key, "direction": "write"},
            "reader": {**shown, "access_key": channel.reader_key, "direction": "read"},
        },
        (channel,),
    )


def _register_trigger(state: State, call_id: str, caller: Connection | None, data: Json) -> Reply:
    if len(state.triggers) >= MAX_TRIGGERS:
        raise FunctionError("overloaded", f"there are {MAX_TRIGGERS} triggers")
    asked = Input("engine::register_trigger", data)
    config: Json = asked.value("config") if asked.has("config") else {}
    trigger = Trigger(
        state.new_id(),
        asked.text("trigger_type"),
        asked.text("function_id"),
        DEFAULT_NAMESPACE,
        config,
        asked.value("metadata") if asked.has("metadata") else None,
        asked.text_or_none("trigger_namespace"),
        None,
        awaiting=call_id,
    )
    actions = add_trigger(state, trigger, DEFAULT_NAMESPACE)
    provider = None if trigger.provider is None else state.trigger_types[trigger.provider]
    if provider is None or watched_by_engine(provider):
        trigger.awaiting = None
        return Reply({"id": trigger.id}, actions)
    return Reply(actions=actions, deferred=True)


def _unregister_trigger(state: State, call_id: str, caller: Connection | None, data: Json) -> Reply:
    trigger = state.triggers.get(Input("engine::unregister_trigger", data).text("id"))
    if trigger is None or trigger.owner not in (None, caller and caller.id):
        return Reply({"removed": False})
    return Reply({"removed": True}, remove_trigger(state, trigger, disconnected=False))


_BUILTINS: dict[str, tuple[str, Builtin]] = {
    "engine::functions::list": ("List functions", _query(_list_functions.listing)),
    "engine::functions::info": ("Describe functions", _query(_list_functions.info)),
    "engine::workers::list": ("List workers", _query(_list_workers.listing)),
    "engine::workers::info": ("Describe a worker", _query(_list_workers.info)),
    "engine::workers::register": ("A worker says who it is", _register_worker),
    "engine::triggers::list": ("List trigger types", _query(_list_triggers.types)),
    "engine::triggers::info": ("Describe a trigger type", _query(_list_triggers.type_info)),
    "engine::registered-triggers::list": ("List triggers", _query(_list_triggers.listing)),
    "engine::registered-triggers::info": ("Describe a trigger", _query(_list_triggers.info)),
    "engine::channels::create": ("Make a streaming channel", _create_channel),
    "engine::register_trigger": ("Make a trigger that no connection owns", _register_trigger),
    "engine::unregister_trigger": ("End a trigger", _unregister_trigger),
}
