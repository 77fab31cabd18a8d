"""The routing's entrance: one message, timer or event in, actions out."""

from agentfx.engine._actions import (
    AcceptTrigger,
    Actions,
    Send,
    Settle,
    TellFunctions,
    Timer,
)
from agentfx.engine._calls import on_invoke, on_result
from agentfx.engine._list_functions import listing
from agentfx.engine._state import State
from agentfx.engine._triggers import FUNCTIONS_AVAILABLE, bound, fire, on_trigger_result
from agentfx.engine._workers import on_reattach, on_registration, settle
from agentfx.wire import (
    InvocationResult,
    InvokeFunction,
    Ping,
    Pong,
    Reattach,
    RegisterService,
    ToEngine,
    TriggerRegistrationResult,
)


def receive(state: State, connection_id: str, message: ToEngine) -> Actions:
    """Decide what a message from a connection means; one from an evicted connection, nothing."""
    connection = state.connections.get(connection_id)
    if connection is None:
        return ()
    match message:
        case InvokeFunction():
            return on_invoke(state, connection, message)
        case InvocationResult():
            return on_result(state, connection, message)
        case TriggerRegistrationResult():
            return on_trigger_result(state, connection, message)
        case Reattach():
            return on_reattach(state, connection, message)
        case Ping():
            return (Send(connection_id, Pong()),)
        case Pong() | RegisterService():
            return ()
        case _:
            return on_registration(state, connection, message)


def elapsed(state: State, timer: Timer) -> Actions:
    """Decide what the end of a timer means."""
    match timer:
        case Settle(connection_id):
            return settle(state, connection_id)
        case AcceptTrigger(trigger_id):
            return bound(state, trigger_id, None)
        case TellFunctions():
            state.functions_changed = False
            if not any(known.type == FUNCTIONS_AVAILABLE for known in state.triggers.values()):
                return ()
            rows = listing(state, {})["functions"]
            return fire(
                state, FUNCTIONS_AVAILABLE, {"event": "functions_changed", "functions": rows}
            )
