import pytest

from agentfx.engine import _calls
from agentfx.engine._actions import Resolve, Send, Serve
from agentfx.engine._calls import (
    MAX_SERVING,
    abandon,
    answered,
    call_from_host,
    undelivered,
)
from agentfx.engine._functions import serve_function
from agentfx.services._host import Trace
from agentfx.wire import (
    Enqueue,
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    RegisterFunction,
    Void,
)
from tests.engine.routing import Routing, of, only, sent, to

STOPPED = ErrorBody("invocation_stopped", "Invocation stopped")


@pytest.fixture
def routing() -> Routing:
    return Routing()


def test_a_call_goes_to_the_owner_and_the_answer_back(routing: Routing) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    call = InvokeFunction("f", {"a": 1}, "call", None, {"m": 1}, None, "trace", "bag")
    assert only(routing.tell(caller, call)) == to(
        worker,
        InvokeFunction(
            "f",
            {"a": 1, "_caller_worker_id": caller.id},
            "call",
            None,
            {"m": 1},
            None,
            "trace",
            "bag",
        ),
    )
    answer = InvocationResult("call", "f", 7, None, "trace", "bag")
    assert only(routing.tell(worker, answer)) == to(caller, answer)
    assert routing.tell(worker, answer) == ()
    assert not routing.state.calls
    assert not worker.calls | caller.calls


@pytest.mark.parametrize("data", [[1], "s", None, 3])
def test_only_objects_name_the_caller(routing: Routing, data: object) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    forwarded = sent(routing.call(caller, "f", data), InvokeFunction)
    assert forwarded[0].data == data


def test_an_error_is_passed_on(routing: Routing) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    routing.call(caller, "f", {})
    error = ErrorBody("code", "message", "trace")
    answer = InvocationResult("call", "f", None, error)
    assert only(routing.tell(worker, answer)) == to(caller, answer)


@pytest.mark.parametrize(
    "call",
    [
        InvokeFunction("f", {}, "call", Void()),
        InvokeFunction("f", {}, None, Void()),
        InvokeFunction("f", {}),
    ],
)
def test_a_call_without_answer_leaves_nothing_behind(
    routing: Routing, call: InvokeFunction
) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    (forwarded,) = sent(routing.tell(caller, call), InvokeFunction)
    assert forwarded.invocation_id not in (None, "call")
    assert not routing.state.calls
    assert routing.tell(worker, InvocationResult(forwarded.invocation_id or "", "f", 1)) == ()


def test_a_void_call_to_nobody_is_not_answered(routing: Routing) -> None:
    caller = routing.connect("c")
    assert routing.call(caller, "f", {}, action=Void()) == ()


def test_another_call_with_the_same_id_gets_its_own(routing: Routing) -> None:
    worker, one, two = routing.connect("w"), routing.connect("1"), routing.connect("2")
    routing.register(worker, "f")
    (first,) = sent(routing.call(one, "f", 1), InvokeFunction)
    (second,) = sent(routing.call(two, "f", 2), InvokeFunction)
    assert first.invocation_id != second.invocation_id
    late = InvocationResult(second.invocation_id or "", "f", "second")
    assert only(routing.tell(worker, late)) == to(two, InvocationResult("call", "f", "second"))


def test_only_the_executor_may_answer(routing: Routing) -> None:
    worker, caller, liar = routing.connect("w"), routing.connect("c"), routing.connect("l")
    routing.register(worker, "f")
    routing.call(caller, "f", {})
    assert routing.tell(liar, InvocationResult("call", "f", "lie")) == ()
    assert routing.tell(caller, InvocationResult("call", "f", "lie")) == ()
    assert routing.tell(worker, InvocationResult("call", "f", "true")) != ()


def test_callers_hear_that_their_executor_is_gone(routing: Routing) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    routing.call(caller, "f", {}, "one")
    routing.call(caller, "f", {}, "two")
    answers = sent(routing.disconnect(worker), InvocationResult)
    assert sorted(answer.invocation_id for answer in answers) == ["one", "two"]
    assert {answer.error for answer in answers} == {STOPPED}
    assert not caller.calls


def test_a_gone_callers_answers_are_dropped(routing: Routing) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    routing.call(caller, "f", {})
    assert sent(routing.disconnect(caller), InvocationResult) == []
    assert routing.tell(worker, InvocationResult("call", "f", 1)) == ()


def test_calls_to_oneself_end_with_oneself(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    routing.call(worker, "f", {})
    assert sent(routing.disconnect(worker), InvocationResult) == []
    assert not routing.state.calls


def test_what_is_not_found_says_where_it_is(routing: Routing) -> None:
    caller, elsewhere = routing.connect("c"), routing.connect("e", "dev")
    (answer,) = sent(routing.call(caller, "f", {}), InvocationResult)
    text = "Function f not found in namespace default."
    assert answer.error == ErrorBody("function_not_found", text)
    routing.register(elsewhere, "f")
    (answer,) = sent(routing.call(caller, "f", {}), InvocationResult)
    assert answer.error == ErrorBody("function_not_found", text + " It is registered in: dev.")


def test_namespaces_are_strict_except_for_the_engine_itself(routing: Routing) -> None:
    caller, worker = routing.connect("c"), routing.connect("w", "dev")
    routing.register(worker, "f")
    assert sent(routing.call(caller, "f", 1, namespace="dev"), InvokeFunction)
    (answer,) = sent(routing.call(caller, "f", 1, namespace=" "), InvocationResult)
    assert answer.error is not None
    assert answer.error.code == "INVALID_NAMESPACE"
    listing = routing.call(worker, "engine::functions::list", {}, namespace="dev")
    assert sent(listing, InvocationResult)[0].error is None


def test_what_this_process_serves_gets_no_injected_key(routing: Routing) -> None:
    caller = routing.connect("c")
    serve_function(routing.state, RegisterFunction("g"))
    actions = routing.call(caller, "g", {"a": 1}, traceparent="t")
    assert only(actions) == Serve("call", "g", {"a": 1}, caller.id, Trace("t"))
    assert caller.serving == 1
    assert only(answered(routing.state, "call", 5, None)) == to(
        caller, InvocationResult("call", "g", 5)
    )
    assert caller.serving == 0
    assert answered(routing.state, "call", 5, None) == ()


def test_void_calls_to_this_process_are_counted_but_not_answered(routing: Routing) -> None:
    caller = routing.connect("c")
    serve_function(routing.state, RegisterFunction("g"))
    (serve,) = of(routing.call(caller, "g", {}, action=Void()), Serve)
    assert caller.serving == 1
    assert answered(routing.state, serve.call_id, 5, None) == ()
    assert caller.serving == 0


def test_one_connection_cannot_have_everything_run_here(routing: Routing) -> None:
    caller = routing.connect("c")
    serve_function(routing.state, RegisterFunction("g"))
    for number in range(MAX_SERVING):
        routing.call(caller, "g", {}, str(number))
    (answer,) = sent(routing.call(caller, "g", {}, "more"), InvocationResult)
    assert answer.error is not None
    assert answer.error.code == "overloaded"
    answered(routing.state, "0", None, None)
    assert of(routing.call(caller, "g", {}, "more"), Serve)


def test_one_connection_cannot_have_everything_under_way(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_calls, "MAX_CALLS", 3)
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    for number in range(3):
        assert sent(routing.call(caller, "f", {}, str(number)), InvokeFunction)
    (answer,) = sent(routing.call(caller, "f", {}, "more"), InvocationResult)
    assert answer.error is not None
    assert answer.error.code == "overloaded"
    routing.tell(worker, InvocationResult("0", "f"))
    assert sent(routing.call(caller, "f", {}, "more"), InvokeFunction)


def test_this_process_calls_workers_and_itself(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    serve_function(routing.state, RegisterFunction("g"))
    outgoing = call_from_host(routing.state, "h", InvokeFunction("f", {"a": 1}, metadata=2))
    assert only(outgoing) == to(worker, InvokeFunction("f", {"a": 1}, "h", metadata=2))
    assert only(routing.tell(worker, InvocationResult("h", "f", 3))) == Resolve("h", 3, None)
    inner = call_from_host(routing.state, "i", InvokeFunction("g", 1))
    assert only(inner) == Serve("i", "g", 1, None, Trace())
    assert only(answered(routing.state, "i", 4, None)) == Resolve("i", 4, None)
    missing = only(call_from_host(routing.state, "j", InvokeFunction("nobody", 1)))
    assert isinstance(missing, Resolve)
    assert missing.error is not None
    assert call_from_host(routing.state, None, InvokeFunction("nobody", 1)) == ()


def test_this_process_may_spare_a_worker_the_answer(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    serve_function(routing.state, RegisterFunction("g"))
    message = InvokeFunction("f", 1, metadata=2, namespace="default", traceparent="t")
    sent_off = call_from_host(routing.state, None, message, unanswered=True)
    assert only(sent_off) == to(worker, InvokeFunction("f", 1, metadata=2, traceparent="t"))
    assert not routing.state.calls
    inside = call_from_host(routing.state, None, InvokeFunction("g", 1), unanswered=True)
    assert of(inside, Serve)


def test_this_process_hears_that_the_executor_is_gone(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    call_from_host(routing.state, "h", InvokeFunction("f", {}))
    assert of(routing.disconnect(worker), Resolve) == [Resolve("h", None, STOPPED)]


def test_this_process_may_stop_waiting(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    call_from_host(routing.state, "h", InvokeFunction("f", {}))
    abandon(routing.state, "h")
    assert routing.tell(worker, InvocationResult("h", "f", 1)) == ()


def test_what_cannot_be_put_on_the_wire_is_answered(routing: Routing) -> None:
    worker, caller = routing.connect("w"), routing.connect("c")
    routing.register(worker, "f")
    (forwarded,) = sent(routing.call(caller, "f", {}), InvokeFunction)
    error = ErrorBody("payload_too_large", "too large")
    assert only(undelivered(routing.state, forwarded, error)) == to(
        caller, InvocationResult("call", "f", None, error)
    )
    assert undelivered(routing.state, forwarded, error) == ()


def test_the_enqueue_action_goes_to_the_provider_for_a_receipt(routing: Routing) -> None:
    caller = routing.connect("c")
    serve_function(routing.state, RegisterFunction("engine::queue::enqueue"))
    actions = routing.call(caller, "f", {"a": 1}, action=Enqueue("jobs"), traceparent="t")
    (serve,) = of(actions, Serve)
    receipt = serve.data["messageReceiptId"]
    assert serve.data == {
        "queue": "jobs",
        "function_id": "f",
        "data": {"a": 1},
        "messageReceiptId": receipt,
        "traceparent": "t",
        "baggage": None,
    }
    assert only(answered(routing.state, "call", "ignored", None)) == to(
        caller, InvocationResult("call", "f", {"messageReceiptId": receipt})
    )


def test_the_enqueue_action_names_a_namespace_other_than_default(routing: Routing) -> None:
    caller = routing.connect("c")
    serve_function(routing.state, RegisterFunction("engine::queue::enqueue"))
    (serve,) = of(routing.call(caller, "f", 1, action=Enqueue("jobs"), namespace="dev"), Serve)
    assert serve.data["namespace"] == "dev"


def test_a_worker_may_keep_the_queues(routing: Routing) -> None:
    keeper, caller = routing.connect("k"), routing.connect("c")
    routing.register(keeper, "engine::queue::enqueue")
    (send,) = of(routing.call(caller, "f", {}, action=Enqueue("jobs")), Send)
    assert isinstance(send.message, InvokeFunction)
    assert send.connection == keeper.id
    assert send.message.function_id == "engine::queue::enqueue"
    assert send.message.data["_caller_worker_id"] == caller.id
    failure = InvocationResult("call", "x", None, ErrorBody("whatever", "no room"))
    assert only(routing.tell(keeper, failure)) == to(
        caller, InvocationResult("call", "f", None, ErrorBody("enqueue_error", "no room"))
    )


def test_without_queues_enqueue_fails(routing: Routing) -> None:
    caller = routing.connect("c")
    (answer,) = sent(routing.call(caller, "f", {}, action=Enqueue("jobs")), InvocationResult)
    assert answer.error is not None
    assert answer.error.code == "enqueue_error"
