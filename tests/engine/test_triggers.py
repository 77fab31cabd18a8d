import pytest

from agentfx.engine import _builtins
from agentfx.engine._actions import AcceptTrigger, After, Bind, OpenChannel, Unbind
from agentfx.engine._route import elapsed
from agentfx.engine._state import TriggerType
from agentfx.engine._triggers import (
    ACCEPT_SECONDS,
    WORKERS_AVAILABLE,
    bound,
    drop_type,
    provide_type,
)
from agentfx.services._host import Binding, FunctionError
from agentfx.wire import (
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    RegisterTrigger,
    RegisterTriggerType,
    RegistrationRejected,
    TriggerRegistrationResult,
    UnregisterTrigger,
    UnregisterTriggerType,
)
from tests.engine.routing import Routing, of, only, sent, to

OWN = TriggerType("default", "tick", None, "ticks")
BINDING = Binding("t", "f", {"c": 1})
REFUSED = ErrorBody("no", "not like this")


@pytest.fixture
def routing() -> Routing:
    return Routing()


def test_a_trigger_goes_to_its_provider_in_this_process(routing: Routing) -> None:
    worker = routing.connect("w")
    provide_type(routing.state, OWN)
    assert routing.trigger(worker, "t", "tick", "f") == (Bind("tick", BINDING),)
    assert bound(routing.state, "t", None) == ()  # success is silent
    actions = routing.tell(worker, UnregisterTrigger("t"))
    assert only(actions) == Unbind("tick", BINDING, disconnected=False)
    assert routing.tell(worker, UnregisterTrigger("t")) == ()


def test_a_trigger_goes_to_its_provider_on_another_connection(routing: Routing) -> None:
    provider, worker = routing.connect("p"), routing.connect("w")
    routing.tell(provider, RegisterTriggerType("tick", "ticks"))
    made = routing.trigger(worker, "t", "tick", "f", metadata=5, namespace="dev")
    forwarded = RegisterTrigger("t", "tick", "f", {"c": 1}, 5, "dev")
    assert made == (to(provider, forwarded),)
    accepted = TriggerRegistrationResult("t", "tick", "f")
    assert routing.tell(provider, accepted) == ()
    assert only(routing.tell(worker, UnregisterTrigger("t"))) == to(
        provider, UnregisterTrigger("t", "tick")
    )


def test_a_refusal_reaches_who_made_the_trigger(routing: Routing) -> None:
    provider, worker, liar = routing.connect("p"), routing.connect("w"), routing.connect("l")
    routing.tell(provider, RegisterTriggerType("tick", "ticks"))
    routing.trigger(worker, "t", "tick", "f")
    refusal = TriggerRegistrationResult("t", "tick", "f", REFUSED)
    assert routing.tell(liar, refusal) == ()
    assert only(routing.tell(provider, refusal)) == to(worker, refusal)
    assert routing.tell(worker, UnregisterTrigger("t")) == ()
    assert not routing.state.triggers
    assert not worker.triggers


def test_a_refusal_by_this_process_does_too(routing: Routing) -> None:
    worker = routing.connect("w")
    provide_type(routing.state, OWN)
    routing.trigger(worker, "t", "tick", "f")
    refusal = TriggerRegistrationResult("t", "tick", "f", REFUSED)
    assert only(bound(routing.state, "t", REFUSED)) == to(worker, refusal)
    assert bound(routing.state, "t", REFUSED) == ()


def test_triggers_of_an_unknown_type_are_parked(routing: Routing) -> None:
    worker, provider = routing.connect("w"), routing.connect("p")
    assert routing.trigger(worker, "t", "tick", "f") == ()
    listed = routing.result(worker, "engine::registered-triggers::list", {})
    assert listed == {"registered_triggers": []}
    (forwarded,) = sent(
        routing.tell(provider, RegisterTriggerType("tick", "ticks")), RegisterTrigger
    )
    assert forwarded.id == "t"
    assert routing.disconnect(provider)
    assert routing.result(worker, "engine::registered-triggers::list", {}) == listed
    assert provide_type(routing.state, OWN) == (Bind("tick", BINDING),)
    drop_type(routing.state, ("default", "tick"))
    assert routing.result(worker, "engine::registered-triggers::list", {}) == listed


def test_triggers_end_with_their_connection(routing: Routing) -> None:
    worker = routing.connect("w")
    provide_type(routing.state, OWN)
    routing.trigger(worker, "t", "tick", "f")
    assert of(routing.disconnect(worker), Unbind) == [Unbind("tick", BINDING, disconnected=True)]
    assert not routing.state.triggers


def test_a_returning_worker_brings_its_triggers_again(routing: Routing) -> None:
    old, new = routing.connect("old"), routing.connect("new")
    provide_type(routing.state, OWN)
    routing.trigger(old, "t", "tick", "f")
    again = routing.trigger(new, "t", "tick", "f")
    assert again == (Unbind("tick", BINDING, disconnected=False), Bind("tick", BINDING))
    assert of(routing.disconnect(old), Unbind) == []
    assert of(routing.disconnect(new), Unbind) == [Unbind("tick", BINDING, disconnected=True)]


def test_only_its_maker_may_end_a_trigger(routing: Routing) -> None:
    worker, other = routing.connect("w"), routing.connect("o")
    provide_type(routing.state, OWN)
    routing.trigger(worker, "t", "tick", "f")
    assert routing.tell(other, UnregisterTrigger("t")) == ()
    data = {"id": "t"}
    assert routing.result(other, "engine::unregister_trigger", data) == {"removed": False}
    assert routing.result(worker, "engine::unregister_trigger", data) == {"removed": True}


@pytest.mark.parametrize("field", ["namespace", "trigger_namespace"])
def test_a_blank_namespace_is_refused(routing: Routing, field: str) -> None:
    worker = routing.connect("w")
    (refusal,) = sent(
        routing.trigger(worker, "t", "tick", "f", **{field: " "}), TriggerRegistrationResult
    )
    assert refusal.error is not None
    assert refusal.error.code == "INVALID_NAMESPACE"


def test_a_provider_is_sought_at_home_and_then_in_default(routing: Routing) -> None:
    here, there = routing.connect("h", "dev"), routing.connect("t", "dev")
    provide_type(routing.state, OWN)
    assert of(routing.trigger(there, "one", "tick", "f"), Bind)
    routing.tell(here, RegisterTriggerType("tick", "ticks"))
    assert sent(routing.trigger(there, "two", "tick", "f"), RegisterTrigger)
    assert of(routing.trigger(there, "three", "tick", "f", trigger_namespace="default"), Bind)
    assert routing.trigger(there, "four", "tick", "f", trigger_namespace="empty") == ()
    gone = routing.disconnect(here)
    assert [bind.binding.id for bind in of(gone, Bind)] == ["two"]


def test_a_type_has_one_provider(routing: Routing) -> None:
    first, second = routing.connect("a"), routing.connect("b")
    routing.tell(first, RegisterTriggerType("tick", "ticks"))
    (rejection,) = sent(
        routing.tell(second, RegisterTriggerType("tick", "ticks")), RegistrationRejected
    )
    assert rejection.owner_worker_id == first.id
    with pytest.raises(FunctionError):
        provide_type(routing.state, OWN)
    assert sent(
        routing.tell(first, RegisterTriggerType(WORKERS_AVAILABLE, "mine")), RegistrationRejected
    )
    assert routing.tell(second, UnregisterTriggerType("tick")) == ()
    routing.tell(first, UnregisterTriggerType("tick"))
    assert not sent(
        routing.tell(second, RegisterTriggerType("tick", "ticks")), RegistrationRejected
    )


ASKED = {"trigger_type": "tick", "function_id": "f", "config": {"c": 1}}


def test_a_trigger_made_by_a_call_outlives_its_maker(routing: Routing) -> None:
    maker, other = routing.connect("m"), routing.connect("o")
    provide_type(routing.state, OWN)
    (bind,) = of(routing.call(maker, "engine::register_trigger", ASKED), Bind)
    (answer,) = sent(bound(routing.state, bind.binding.id, None), InvocationResult)
    assert answer.result == {"id": bind.binding.id}
    assert of(routing.disconnect(maker), Unbind) == []
    assert of(routing.tell(other, UnregisterTrigger(bind.binding.id)), Unbind)


def test_who_makes_a_trigger_by_a_call_hears_of_a_refusal(routing: Routing) -> None:
    maker = routing.connect("m")
    provide_type(routing.state, OWN)
    (bind,) = of(routing.call(maker, "engine::register_trigger", ASKED), Bind)
    (answer,) = sent(bound(routing.state, bind.binding.id, REFUSED), InvocationResult)
    assert answer.error == ErrorBody("trigger_registration_failed", REFUSED.message)


def test_a_provider_that_says_nothing_has_accepted(routing: Routing) -> None:
    maker, provider = routing.connect("m"), routing.connect("p")
    routing.tell(provider, RegisterTriggerType("tick", "ticks"))
    actions = routing.call(maker, "engine::register_trigger", ASKED)
    (forwarded,) = sent(actions, RegisterTrigger)
    assert of(actions, After) == [After(ACCEPT_SECONDS, AcceptTrigger(forwarded.id))]
    assert not sent(actions, InvocationResult)
    (answer,) = sent(elapsed(routing.state, AcceptTrigger(forwarded.id)), InvocationResult)
    assert answer.result == {"id": forwarded.id}
    assert elapsed(routing.state, AcceptTrigger(forwarded.id)) == ()


def test_so_has_one_that_goes_away(routing: Routing) -> None:
    maker, provider = routing.connect("m"), routing.connect("p")
    routing.tell(provider, RegisterTriggerType("tick", "ticks"))
    routing.call(maker, "engine::register_trigger", ASKED)
    (answer,) = sent(routing.disconnect(provider), InvocationResult)
    assert answer.error is None


def test_a_trigger_without_provider_is_accepted_and_parked(routing: Routing) -> None:
    maker = routing.connect("m")
    found = routing.result(maker, "engine::register_trigger", ASKED)
    assert provide_type(routing.state, OWN) == (Bind("tick", Binding(found["id"], "f", {"c": 1})),)
    engine_type = {"trigger_type": WORKERS_AVAILABLE, "function_id": "f"}
    assert routing.result(maker, "engine::register_trigger", engine_type).keys() == {"id"}


def test_a_function_that_ends_triggers_may_be_triggered(routing: Routing) -> None:
    maker = routing.connect("m")
    target = {"trigger_type": WORKERS_AVAILABLE, "function_id": "engine::unregister_trigger"}
    for _ in range(3):
        routing.result(maker, "engine::register_trigger", target)
    assert sent(routing.disconnect(routing.connect("x")), InvokeFunction) == []


def test_types_and_triggers_are_listed_and_described(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    provide_type(routing.state, TriggerType("default", "tick", None, "ticks", {"a": 1}, {"b": 2}))
    routing.trigger(worker, "t", "tick", "f", metadata={"m": 1})
    types = routing.result(worker, "engine::triggers::list", {})["triggers"]
    assert types == [
        {"id": "tick", "namespace": "default", "worker_name": "agentfx", "description": "ticks"}
    ]
    everything = {"include_internal": True}
    assert len(routing.result(worker, "engine::triggers::list", everything)["triggers"]) == 3
    described = routing.result(worker, "engine::triggers::info", {"id": "tick"})
    assert described["configuration_schema"] == {"a": 1}
    assert described["request_schema"] == {"b": 2}
    assert described["instance_count"] == 1
    assert routing.result(worker, "engine::triggers::info", {"id": "x"}).code == "NOT_FOUND"
    row = {
        "id": "t",
        "trigger_type": "tick",
        "function_id": "f",
        "worker_name": "w",
        "config": {"c": 1},
        "config_summary": '{"c":1}',
    }
    listed = "engine::registered-triggers::list"
    for asked, found in (
        ({}, [row]),
        ({"trigger_type": "tick", "function_id": "f", "worker": "w"}, [row]),
        ({"function_id": "g"}, []),
        ({"worker": "x"}, []),
        ({"search": "f"}, [row]),
    ):
        assert routing.result(worker, listed, asked) == {"registered_triggers": found}
    info = "engine::registered-triggers::info"
    one = routing.result(worker, info, {"id": "t"})
    assert one["metadata"] == {"m": 1}
    assert one["trigger"]["id"] == "tick"
    assert one["function"]["registered_triggers"] == [
        {"id": "t", "trigger_type": "tick", "config": {"c": 1}}
    ]
    assert routing.result(worker, info, {"id": "x"}).code == "NOT_FOUND"


@pytest.mark.parametrize(("asked", "capacity"), [({}, 64), ({"buffer_size": 5}, 5)])
@pytest.mark.parametrize("null", [True, False])
def test_a_channel_has_two_keys(
    routing: Routing, asked: dict[str, int], capacity: int, null: bool
) -> None:
    worker = routing.connect("w")
    data = {"buffer_size": None, **asked} if null else asked
    actions = routing.call(worker, "engine::channels::create", data)
    (channel,) = of(actions, OpenChannel)
    (answer,) = sent(actions, InvocationResult)
    assert channel.capacity == capacity
    shown = {"channel_id": channel.channel_id}
    assert answer.result == {
        "writer": {**shown, "access_key": channel.writer_key, "direction": "write"},
        "reader": {**shown, "access_key": channel.reader_key, "direction": "read"},
    }


def test_a_channel_has_a_largest_capacity(routing: Routing) -> None:
    actions = routing.call(routing.connect(), "engine::channels::create", {"buffer_size": 10**6})
    assert of(actions, OpenChannel)[0].capacity == 1024


@pytest.mark.parametrize("level", ["trace", "debug", "info", "warn", "error"])
def test_logging_answers_nothing(routing: Routing, level: str) -> None:
    (answer,) = sent(
        routing.call(routing.connect(), f"engine::log::{level}", {"message": "m"}),
        InvocationResult,
    )
    assert (answer.result, answer.error) == (None, None)


def test_calls_cannot_make_triggers_without_end(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_builtins, "MAX_TRIGGERS", 1)
    maker = routing.connect()
    routing.result(maker, "engine::register_trigger", ASKED)
    assert routing.result(maker, "engine::register_trigger", ASKED).code == "overloaded"
