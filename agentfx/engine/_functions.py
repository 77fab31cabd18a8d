"""Functions: one owner each, and the engine's own cannot be taken."""

from dataclasses import replace

from agentfx.engine._actions import Action, Actions, After, Announce, Send, TellFunctions
from agentfx.engine._state import Connection, Function, State
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError
from agentfx.wire import RegisterFunction, RegistrationRejected, UnregisterFunction

# Functions tend to come in dozens when a worker starts.
TELL_SECONDS = 0.25
# The functions of the queue are the only ones under `engine::` that a worker may provide.
_RESERVED, _PROVIDED = "engine::", "engine::queue::"


def on_register_function(
    state: State, connection: Connection, message: RegisterFunction
) -> Actions:
    """Give a function to a connection, unless another has it."""
    key = (connection.namespace, message.id)
    known = state.functions.get(key)
    if known is not None and known.owner != connection.id:
        return (_rejected(connection, message.id, known.owner or ""),)
    if known is None and _reserved(message.id):
        return (_rejected(connection, message.id, ""),)
    state.functions[key] = Function(
        connection.namespace,
        message.id,
        connection.id,
        message.description,
        message.request_format,
        message.response_format,
        message.metadata,
    )
    connection.functions[key] = None
    return _added(state, connection.namespace, message.id)


def on_unregister_function(
    state: State, connection: Connection, message: UnregisterFunction
) -> Actions:
    """Take a function from the connection that has it."""
    key = (connection.namespace, message.id)
    if key not in connection.functions:
        return ()
    del connection.functions[key], state.functions[key]
    return functions_changed(state)


def drop_functions(state: State, gone: Connection) -> Actions:
    """Forget the functions of a connection that is gone."""
    if not gone.functions:
        return ()
    for key in gone.functions:
        del state.functions[key]
    gone.functions.clear()
    return functions_changed(state)


def serve_function(state: State, function: RegisterFunction) -> Actions:
    """Give a function to this process.

    Raises:
        FunctionError: A connection has it.
    """
    key = (DEFAULT_NAMESPACE, function.id)
    known = state.functions.get(key)
    if known is not None and (known.owner is not None or known.builtin is not None):
        raise FunctionError(
            RegistrationRejected.FUNCTION_CONFLICT, f"{function.id} has an owner already"
        )
    state.functions[key] = Function(
        DEFAULT_NAMESPACE,
        function.id,
        None,
        function.description,
        function.request_format,
        function.response_format,
        function.metadata,
    )
    return _added(state, *key)


def withdraw_function(state: State, function_id: str) -> Actions:
    """Take a function from this process."""
    key = (DEFAULT_NAMESPACE, function_id)
    known = state.functions.get(key)
    if known is None or known.owner is not None or known.builtin is not None:
        return ()
    del state.functions[key]
    return functions_changed(state)


def functions_changed(state: State) -> tuple[Action, ...]:
    """See to it that those who want to know of changes hear of this one."""
    if state.functions_changed:
        return ()
    state.functions_changed = True
    return (After(TELL_SECONDS, TellFunctions()),)


def _added(state: State, namespace: str, function_id: str) -> Actions:
    return (Announce(namespace, function_id), *functions_changed(state))


def _reserved(function_id: str) -> bool:
    return function_id.startswith(_RESERVED) and not function_id.startswith(_PROVIDED)


def _rejected(connection: Connection, function_id: str, owner: str) -> Send:
    rejection = RegistrationRejected(
        RegistrationRejected.FUNCTION_CONFLICT, connection.namespace, owner
    )
    return Send(connection.id, replace(rejection, function_id=function_id))
