"""Connections: how they come, say who they are, and go."""

import hmac

from agentfx.engine._actions import Actions, After, Close, Evict, Notify, Send, Settle
from agentfx.engine._calls import stop_calls
from agentfx.engine._functions import (
    drop_functions,
    on_register_function,
    on_unregister_function,
)
from agentfx.engine._state import Connection, Registration, State, WorkerInfo
from agentfx.engine._triggers import (
    WORKERS_AVAILABLE,
    drop_triggers,
    fire,
    on_register_trigger,
    on_register_type,
    on_unregister_trigger,
    on_unregister_type,
)
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError, WorkerChange
from agentfx.services._input import Input
from agentfx.wire import (
    ErrorBody,
    Json,
    Reattach,
    RegisterFunction,
    RegisterTrigger,
    RegisterTriggerType,
    RegistrationRejected,
    TriggerRegistrationResult,
    UnregisterFunction,
    UnregisterTrigger,
    UnregisterTriggerType,
    WorkerRegistered,
)

GRACE_SECONDS = 5.0
"""How long registrations wait for a connection to say which namespace it is in."""

NAME_LIMIT = 280
MAX_REGISTRATIONS = 10_000
"""What one connection may register; listings are for everybody."""


def on_connect(
    state: State, ip_address: str | None, grace_seconds: float
) -> tuple[Connection, Actions]:
    """Take a connection on."""
    connection = Connection(state.new_id(), state.new_id(), ip_address, state.now_ms())
    state.connections[connection.id] = connection
    event = {"event": "worker_connected", "worker_id": connection.id}
    return connection, (
        Send(connection.id, WorkerRegistered(connection.id, connection.token)),
        After(grace_seconds, Settle(connection.id)),
        Notify(WorkerChange("connected", connection.id)),
        *fire(state, WORKERS_AVAILABLE, event),
    )


def on_disconnect(state: State, connection_id: str) -> Actions:
    """Let a connection go, and all that depends on it; an unknown one is ignored."""
    gone = state.connections.get(connection_id)
    if gone is None:
        return ()
    gone.held.clear()
    actions = (
        *drop_functions(state, gone),
        *stop_calls(state, gone),
        *drop_triggers(state, gone),
    )
    if gone.name is not None:
        state.names.pop((gone.namespace, gone.name), None)
    del state.connections[connection_id]
    event = {"event": "worker_disconnected", "worker_id": connection_id}
    return (
        *actions,
        Notify(WorkerChange("disconnected", connection_id)),
        *fire(state, WORKERS_AVAILABLE, event),
    )


def on_reattach(state: State, connection: Connection, message: Reattach) -> Actions:
    """End the previous connection of a worker that proves to be the same."""
    previous = state.connections.get(message.previous_worker_id)
    token = message.reattach_token or ""
    if (
        previous is None
        or previous is connection
        or not hmac.compare_digest(previous.token.encode(), token.encode())
    ):
        return ()
    return (*on_disconnect(state, previous.id), Evict(previous.id))


def on_registration(state: State, connection: Connection, message: Registration) -> Actions:
    """Apply a registration, or keep it until the connection's namespace is known."""
    if isinstance(message, RegisterFunction | RegisterTriggerType | RegisterTrigger):
        known = len(connection.functions) + len(connection.triggers)
        known += len(connection.trigger_types) + len(connection.held)
        if known >= MAX_REGISTRATIONS:
            return (_too_many(connection, message),)
    if not connection.settled:
        connection.held.append(message)
        return ()
    match message:
        case RegisterFunction():
            return on_register_function(state, connection, message)
        case UnregisterFunction():
            return on_unregister_function(state, connection, message)
        case RegisterTriggerType():
            return on_register_type(state, connection, message)
        case UnregisterTriggerType():
            return on_unregister_type(state, connection, message)
        case RegisterTrigger():
            return on_register_trigger(state, connection, message)
        case UnregisterTrigger():
            return on_unregister_trigger(state, connection, message)


def _too_many(
    connection: Connection, message: RegisterFunction | RegisterTriggerType | RegisterTrigger
) -> Send:
    if isinstance(message, RegisterTrigger):
        error = ErrorBody("overloaded", f"more than {MAX_REGISTRATIONS} registrations")
        refusal = TriggerRegistrationResult(
            message.id, message.trigger_type, message.function_id, error
        )
        return Send(connection.id, refusal)
    code = RegistrationRejected.FUNCTION_CONFLICT
    rejection = RegistrationRejected(code, connection.namespace, "", function_id=message.id)
    return Send(connection.id, rejection)


def settle(state: State, connection_id: str) -> Actions:
    """Apply what a connection registered so far, in the order in which it came."""
    connection = state.connections.get(connection_id)
    if connection is None or connection.settled:
        return ()
    connection.settled = True
    held, connection.held = connection.held, []
    return tuple(
        action for message in held for action in on_registration(state, connection, message)
    )


def register_worker(state: State, connection: Connection, data: Json) -> Actions | None:
    """A worker says who it is; None if another of its namespace has its name.

    Raises:
        FunctionError: Its namespace is blank, or a field has another type.
    """
    said = Input("engine::workers::register", data)
    namespace = said.text_or_none("namespace") or DEFAULT_NAMESPACE
    if not namespace.strip():
        raise FunctionError("INVALID_NAMESPACE", "A namespace must not be blank.")
    name = _cleaned(said.text_or_none("name"))
    info = WorkerInfo(
        said.text_or_none("description"),
        said.text_or_none("version"),
        said.text_or_none("runtime"),
        said.text_or_none("os"),
        said.number("pid", 0) if said.has("pid") else None,
        said.text_or_none("isolation"),
    )
    if connection.settled:
        namespace = connection.namespace  # what it registered so far stays where it is
    if name is not None:
        owner = state.names.get((namespace, name), connection.id)
        if owner != connection.id:
            return None
    if connection.name is not None:
        state.names.pop((connection.namespace, connection.name), None)
    if name is not None:
        state.names[namespace, name] = connection.id
    connection.namespace, connection.name, connection.info = namespace, name, info
    event = {"event": "worker_metadata_updated", "worker_id": connection.id}
    return (*settle(state, connection.id), *fire(state, WORKERS_AVAILABLE, event))


def refuse_worker(state: State, connection: Connection, data: Json) -> Actions:
    """End a connection whose name is taken."""
    said = Input("engine::workers::register", data)
    namespace = said.text_or_none("namespace") or DEFAULT_NAMESPACE
    name = _cleaned(said.text_or_none("name")) or ""
    rejection = RegistrationRejected(
        RegistrationRejected.WORKER_CONFLICT, namespace, state.names[namespace, name], name
    )
    return (
        Send(connection.id, rejection),
        Close(connection.id),
        *on_disconnect(state, connection.id),
    )


def _cleaned(name: str | None) -> str | None:
    if name is None:
        return None
    return "".join(letter for letter in name if letter.isprintable())[:NAME_LIMIT] or None
