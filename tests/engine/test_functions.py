import pytest

from agentfx.engine._actions import After, Announce, Send, TellFunctions
from agentfx.engine._functions import serve_function, withdraw_function
from agentfx.engine._route import elapsed
from agentfx.engine._triggers import FUNCTIONS_AVAILABLE
from agentfx.services._host import FunctionError
from agentfx.wire import (
    InvocationResult,
    InvokeFunction,
    RegisterFunction,
    RegistrationRejected,
    UnregisterFunction,
)
from tests.engine.routing import Routing, of, sent, to

CONFLICT = RegistrationRejected.FUNCTION_CONFLICT


@pytest.fixture
def routing() -> Routing:
    return Routing()


def test_a_function_has_one_owner(routing: Routing) -> None:
    first, second, caller = (routing.connect(name) for name in "abc")
    assert of(routing.register(first, "f"), Announce) == [Announce("default", "f")]
    assert routing.register(second, "f") == (
        to(second, RegistrationRejected(CONFLICT, "default", first.id, function_id="f")),
    )
    (send,) = of(routing.call(caller, "f", {}), Send)
    assert send.connection == first.id
    routing.disconnect(second)
    assert sent(routing.call(caller, "f", {}, "again"), InvokeFunction)


def test_the_second_is_not_promoted_but_may_register_again(routing: Routing) -> None:
    first, second, caller = (routing.connect(name) for name in "abc")
    routing.register(first, "f")
    routing.register(second, "f")
    routing.disconnect(first)
    assert sent(routing.call(caller, "f", {}), InvocationResult)[0].error is not None
    routing.register(second, "f")
    assert sent(routing.call(caller, "f", {}, "again"), InvokeFunction)


def test_an_owner_may_register_again(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f", description="old")
    routing.register(worker, "f", description="new")
    (row,) = routing.result(worker, "engine::functions::list", {"prefix": "f"})["functions"]
    assert row["description"] == "new"


def test_only_the_owner_may_unregister(routing: Routing) -> None:
    owner, other = routing.connect("a"), routing.connect("b")
    routing.register(owner, "f")
    routing.tell(other, UnregisterFunction("f"))
    assert sent(routing.call(other, "f", {}), InvokeFunction)
    routing.tell(owner, UnregisterFunction("f"))
    assert not sent(routing.call(other, "f", {}, "again"), InvokeFunction)


def test_namespaces_keep_functions_apart(routing: Routing) -> None:
    one, two = routing.connect("a"), routing.connect("a", "dev")
    assert not sent(routing.register(one, "f"), RegistrationRejected)
    assert not sent(routing.register(two, "f"), RegistrationRejected)


@pytest.mark.parametrize(
    "taken", ["engine::functions::list", "engine::anything", "state::get", "engine::queue::enqueue"]
)
@pytest.mark.parametrize("namespace", [None, "dev"])
def test_what_the_engine_has_cannot_be_taken(
    routing: Routing, taken: str, namespace: str | None
) -> None:
    for function_id in ("state::get", "engine::queue::enqueue"):
        serve_function(routing.state, RegisterFunction(function_id))
    thief = routing.connect("t", namespace)
    actions = routing.register(thief, taken)
    if namespace and not (taken.startswith("engine::") and "queue" not in taken):
        assert not sent(actions, RegistrationRejected)  # another place, another function
        return
    rejection = RegistrationRejected(CONFLICT, namespace or "default", "", function_id=taken)
    assert actions == (to(thief, rejection),)
    known = routing.state.functions.get(("default", taken))
    routing.tell(thief, UnregisterFunction(taken))
    routing.disconnect(thief)
    assert routing.state.functions.get(("default", taken)) is known


def test_this_process_takes_nothing_from_a_worker(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    with pytest.raises(FunctionError, match=CONFLICT):
        serve_function(routing.state, RegisterFunction("f"))
    with pytest.raises(FunctionError, match=CONFLICT):
        serve_function(routing.state, RegisterFunction("engine::workers::register"))
    assert withdraw_function(routing.state, "f") == ()
    assert withdraw_function(routing.state, "engine::workers::register") == ()
    assert withdraw_function(routing.state, "unknown") == ()


def test_changes_are_told_together_to_those_who_asked(routing: Routing) -> None:
    watcher, worker = routing.connect("a"), routing.connect("b")
    routing.register(watcher, "watch")
    routing.trigger(watcher, "t", FUNCTIONS_AVAILABLE, "watch", metadata={"m": 1})
    elapsed(routing.state, TellFunctions())
    timers = [
        *of(routing.register(worker, "f"), After),
        *of(routing.register(worker, "g"), After),
        *of(routing.tell(worker, UnregisterFunction("g")), After),
    ]
    assert [timer.timer for timer in timers] == [TellFunctions()]
    (event,) = sent(elapsed(routing.state, TellFunctions()), InvokeFunction)
    assert event.metadata == {"m": 1}
    assert event.data["event"] == "functions_changed"
    assert [row["function_id"] for row in event.data["functions"]] == ["f", "watch"]
    assert of(routing.disconnect(worker), After)


def test_nobody_asked(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    assert elapsed(routing.state, TellFunctions()) == ()
