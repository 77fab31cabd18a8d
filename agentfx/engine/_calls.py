"""Calls: who runs one, and who hears how it ended."""

from dataclasses import replace

from agentfx.engine._actions import Action, Actions, Resolve, Send, Serve
from agentfx.engine._state import Builtin, Call, Connection, Function, State
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError, Trace
from agentfx.wire import (
    Enqueue,
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    Json,
    is_object,
)

ENQUEUE = "engine::queue::enqueue"
MAX_SERVING = 10_000
"""Calls of one connection that may run in this process at a time; more are refused."""

MAX_CALLS = 100_000
"""Calls of one connection that may be under way, made or running; it may make no more."""

_UNTRACED = Trace()
STOPPED = ErrorBody("invocation_stopped", "Invocation stopped")


def on_invoke(state: State, caller: Connection, message: InvokeFunction) -> Actions:
    """Route a call that a connection makes."""
    if isinstance(message.action, Enqueue):
        return _enqueue(state, caller, message, message.action.queue)
    answer_id = message.invocation_id if message.action is None else None
    if message.namespace is not None and not message.namespace.strip():
        return _refuse(caller, answer_id, message.function_id, _INVALID_NAMESPACE)
    namespace = message.namespace or DEFAULT_NAMESPACE
    function = state.functions.get((namespace, message.function_id))
    if function is None and message.function_id.startswith("engine::"):
        # SDKs before 0.24.5 look for the engine itself in their worker's namespace.
        function = state.functions.get((DEFAULT_NAMESPACE, message.function_id))
    if function is None:
        error = not_found(state, namespace, message.function_id)
        return _refuse(caller, answer_id, message.function_id, error)
    return _route(state, function, caller, answer_id, message)


def on_result(state: State, executor: Connection, message: InvocationResult) -> Actions:
    """Pass an answer on; one that nobody waits for, or that another should give, is dropped."""
    call = state.calls.get(message.invocation_id)
    if call is None or call.executor != executor.id:
        return ()
    _end(state, call)
    trace = Trace(message.traceparent, message.baggage)
    return (_answer(call, message.result, message.error, trace),)


def call_from_host(
    state: State, call_id: str | None, message: InvokeFunction, *, unanswered: bool = False
) -> Actions:
    """Route a call that this process makes; `call_id` None wants no answer.

    Args:
        state: The engine's.
        call_id: Under which the answer is handed over.
        message: What is called.
        unanswered: Leave the id out on the wire as well: SDKs then send no answer at all.
    """
    namespace = message.namespace or DEFAULT_NAMESPACE
    function = state.functions.get((namespace, message.function_id))
    if function is not None:
        if unanswered and function.owner is not None:
            return (Send(function.owner, replace(message, namespace=None)),)
        return _route(state, function, None, call_id, message)
    if call_id is None:
        return ()
    return (Resolve(call_id, None, not_found(state, namespace, message.function_id)),)


def answered(state: State, call_id: str, result: Json, error: ErrorBody | None) -> Actions:
    """A handler of this process, or a deferred built-in, has ended."""
    call = state.calls.get(call_id)
    if call is None:
        return ()
    _end(state, call)
    return () if call.answer_id is None else (_answer(call, result, error, _UNTRACED),)


def abandon(state: State, call_id: str) -> None:
    """This process no longer waits for a call that it made."""
    call = state.calls.get(call_id)
    if call is not None and call.caller is None:
        _end(state, call)


def undelivered(state: State, message: InvokeFunction, error: ErrorBody) -> Actions:
    """A call could not be put on the wire."""
    call = state.calls.get(message.invocation_id or "")
    if call is None:
        return ()
    _end(state, call)
    return (_answer(call, None, error, _UNTRACED),)


def stop_calls(state: State, gone: Connection) -> Actions:
    """End the calls of a connection that is gone: its callers hear of it, its own are dropped."""
    actions: list[Action] = []
    for call_id in list(gone.calls):
        call = state.calls[call_id]
        _end(state, call)
        if call.executor == gone.id and call.caller != gone.id and call.answer_id is not None:
            actions.append(_answer(call, None, STOPPED, _UNTRACED))
    return tuple(actions)


def not_found(state: State, namespace: str, function_id: str) -> ErrorBody:
    """The error of a call to nobody; it names the namespaces that have the function."""
    text = f"Function {function_id} not found in namespace {namespace}."
    places = {connection.namespace for connection in state.connections.values()}
    others = sorted(p for p in {*places, DEFAULT_NAMESPACE} if (p, function_id) in state.functions)
    if others:
        text += f" It is registered in: {', '.join(others)}."
    return ErrorBody("function_not_found", text)


_INVALID_NAMESPACE = ErrorBody("INVALID_NAMESPACE", "A namespace must not be blank.")


def _overloaded(limit: int) -> ErrorBody:
    return ErrorBody("overloaded", f"{limit} calls of this connection are under way")


def _refuse(
    caller: Connection, answer_id: str | None, function_id: str, error: ErrorBody
) -> Actions:
    if answer_id is None:
        return ()
    return (Send(caller.id, InvocationResult(answer_id, function_id, None, error)),)


def _route(
    state: State,
    function: Function,
    caller: Connection | None,
    answer_id: str | None,
    message: InvokeFunction,
    receipt: str | None = None,
) -> Actions:
    if function.owner is None:
        return _serve(state, function, caller, answer_id, message, receipt)
    data = message.data
    if caller is not None:
        if len(caller.calls) >= MAX_CALLS:
            return _refuse(caller, answer_id, message.function_id, _overloaded(MAX_CALLS))
        if is_object(data):
            data["_caller_worker_id"] = caller.id
    if answer_id is None:
        call_id = state.new_id()
    else:
        call_id = _begin(state, function, caller, answer_id, message.function_id, receipt).id
    forwarded = InvokeFunction(
        function.id,
        data,
        call_id,
        None,
        message.metadata,
        None,
        message.traceparent,
        message.baggage,
    )
    return (Send(function.owner, forwarded),)


def _serve(
    state: State,
    function: Function,
    caller: Connection | None,
    answer_id: str | None,
    message: InvokeFunction,
    receipt: str | None,
) -> Actions:
    if caller is not None and caller.serving >= MAX_SERVING:
        return _refuse(caller, answer_id, message.function_id, _overloaded(MAX_SERVING))
    call = _begin(state, function, caller, answer_id, message.function_id, receipt)
    if function.builtin is not None:
        return _run_builtin(state, function.builtin, call, caller, message.data)
    trace = Trace(message.traceparent, message.baggage)
    return (Serve(call.id, function.id, message.data, call.caller, trace),)


def _run_builtin(
    state: State, builtin: Builtin, call: Call, caller: Connection | None, data: Json
) -> Actions:
    try:
        reply = builtin(state, call.id, caller, data)
    except FunctionError as error:
        return answered(state, call.id, None, ErrorBody(error.code, error.message))
    if reply.deferred:
        return reply.actions
    return (*reply.actions, *answered(state, call.id, reply.result, None))


def _enqueue(state: State, caller: Connection, message: InvokeFunction, queue: str) -> Actions:
    """Hand a call to whoever keeps the named queues; the caller gets a receipt."""
    provider = state.functions.get((DEFAULT_NAMESPACE, ENQUEUE))
    if provider is None:
        missing = not_found(state, DEFAULT_NAMESPACE, ENQUEUE)
        error = ErrorBody("enqueue_error", missing.message)
        return _refuse(caller, message.invocation_id, message.function_id, error)
    receipt = state.new_id()
    data = {
        "queue": queue,
        "function_id": message.function_id,
        "data": message.data,
        "messageReceiptId": receipt,
        "traceparent": message.traceparent,
        "baggage": message.baggage,
    }
    if message.namespace not in (None, DEFAULT_NAMESPACE):
        data["namespace"] = message.namespace
    request = InvokeFunction(message.function_id, data)
    return _route(state, provider, caller, message.invocation_id, request, receipt)


def _begin(
    state: State,
    function: Function,
    caller: Connection | None,
    answer_id: str | None,
    named: str,
    receipt: str | None,
) -> Call:
    # The caller's id serves the executor too, unless another call under way has the same.
    call_id = answer_id if answer_id and answer_id not in state.calls else state.new_id()
    caller_id = None if caller is None else caller.id
    call = Call(call_id, named, caller_id, answer_id, function.owner, receipt)
    state.calls[call_id] = call
    if caller is not None:
        caller.calls.add(call_id)
        caller.serving += function.owner is None
    if function.owner is not None:
        state.connections[function.owner].calls.add(call_id)
    return call


def _end(state: State, call: Call) -> None:
    del state.calls[call.id]
    caller = state.connections.get(call.caller or "")
    if caller is not None:
        caller.calls.discard(call.id)
        caller.serving -= call.executor is None
    executor = state.connections.get(call.executor or "")
    if executor is not None:
        executor.calls.discard(call.id)


def _answer(call: Call, result: Json, error: ErrorBody | None, trace: Trace) -> Action:
    if call.receipt is not None:
        result = {"messageReceiptId": call.receipt} if error is None else None
        error = None if error is None else ErrorBody("enqueue_error", error.message)
    answer_id = call.answer_id or ""
    if call.caller is None:
        return Resolve(answer_id, result, error)
    return Send(
        call.caller,
        InvocationResult(
            answer_id, call.function_id, result, error, trace.traceparent, trace.baggage
        ),
    )
