import pytest

from agentfx.engine import _workers
from agentfx.engine._actions import After, Close, Evict, Notify, Settle
from agentfx.engine._route import elapsed
from agentfx.engine._triggers import WORKERS_AVAILABLE
from agentfx.engine._workers import on_connect
from agentfx.services._host import WorkerChange
from agentfx.wire import (
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    Reattach,
    RegisterTriggerType,
    RegistrationRejected,
    TriggerRegistrationResult,
    UnregisterFunction,
    Void,
    WorkerRegistered,
)
from tests.engine.routing import Routing, of, sent, to


@pytest.fixture
def routing() -> Routing:
    return Routing()


def test_the_first_thing_a_worker_hears_is_its_id(routing: Routing) -> None:
    connection, actions = on_connect(routing.state, "127.0.0.1", 5.0)
    assert actions == (
        to(connection, WorkerRegistered(connection.id, connection.token)),
        After(5.0, Settle(connection.id)),
        Notify(WorkerChange("connected", connection.id)),
    )


def test_registrations_wait_for_the_namespace(routing: Routing) -> None:
    worker, caller = routing.connect(), routing.connect("c")
    assert routing.register(worker, "f") == ()
    assert routing.register(worker, "g") == ()
    assert routing.tell(worker, UnregisterFunction("g")) == ()
    assert not sent(routing.call(caller, "f", {}, namespace="dev"), InvokeFunction)
    answer = sent(routing.introduce(worker, "w", "dev"), InvocationResult)
    assert answer == [InvocationResult("call", "engine::workers::register", {"success": True})]
    assert sent(routing.call(caller, "f", {}, namespace="dev"), InvokeFunction)
    assert not sent(routing.call(caller, "g", {}, namespace="dev"), InvokeFunction)


def test_registrations_do_not_wait_for_ever(routing: Routing) -> None:
    worker, caller = routing.connect(), routing.connect("c")
    routing.register(worker, "f")
    elapsed(routing.state, Settle(worker.id))
    assert sent(routing.call(caller, "f", {}), InvokeFunction)
    assert elapsed(routing.state, Settle(worker.id)) == ()
    assert elapsed(routing.state, Settle("gone")) == ()
    routing.introduce(worker, "late", "dev")
    assert worker.namespace == "default"  # where its functions are


def test_introducing_oneself_may_be_void(routing: Routing) -> None:
    worker = routing.connect()
    data = {"name": "w", "namespace": None}
    assert not sent(
        routing.call(worker, "engine::workers::register", data, action=Void()), InvocationResult
    )
    assert worker.name == "w"


def test_a_worker_may_describe_itself_again(routing: Routing) -> None:
    worker, other = routing.connect("old"), routing.connect("other")
    routing.introduce(worker, "new")
    assert worker.name == "new"
    assert not sent(routing.introduce(other, "old"), RegistrationRejected)


def test_a_name_belongs_to_one(routing: Routing) -> None:
    first, second = routing.connect("same"), routing.connect()
    routing.register(second, "f")
    actions = routing.introduce(second, "same")
    code = RegistrationRejected.WORKER_CONFLICT
    rejection = RegistrationRejected(code, "default", first.id, "same")
    assert actions[:2] == (to(second, rejection), Close(second.id))
    assert not sent(actions, InvocationResult)
    assert ("default", "f") not in routing.state.functions
    assert routing.register(second, "g") == ()
    routing.disconnect(first)
    assert not sent(routing.introduce(routing.connect(), "same"), RegistrationRejected)


def test_the_same_name_in_another_namespace_is_another(routing: Routing) -> None:
    routing.connect("same")
    assert not sent(routing.introduce(routing.connect(), "same", "dev"), RegistrationRejected)


def test_names_are_cleaned(routing: Routing) -> None:
    assert routing.connect("a\x00b\nc").name == "abc"
    assert len(routing.connect("x" * 500).name or "") == 280
    assert routing.connect("\n").name is None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"namespace": "  "}, "INVALID_NAMESPACE"),
        ({"name": 5}, "deserialization_error"),
        ({"pid": "x"}, "deserialization_error"),
        ([], "deserialization_error"),
    ],
)
def test_who_cannot_say_who_it_is_may_try_again(routing: Routing, data: object, code: str) -> None:
    worker = routing.connect()
    error = routing.result(worker, "engine::workers::register", data)
    assert isinstance(error, ErrorBody)
    assert error.code == code
    assert routing.result(worker, "engine::workers::register", {"name": "w"}) == {"success": True}


def test_comings_and_goings_are_told(routing: Routing) -> None:
    watcher = routing.connect("watcher")
    routing.register(watcher, "watch")
    routing.trigger(watcher, "t", WORKERS_AVAILABLE, "watch")
    other, came = on_connect(routing.state, None, 5.0)
    named = routing.introduce(other, "other")
    gone = routing.disconnect(other)
    events = [event.data for event in sent((*came, *named, *gone), InvokeFunction)]
    assert events == [
        {"event": "worker_connected", "worker_id": other.id},
        {"event": "worker_metadata_updated", "worker_id": other.id},
        {"event": "worker_disconnected", "worker_id": other.id},
    ]
    assert of(gone, Notify) == [Notify(WorkerChange("disconnected", other.id))]
    assert routing.disconnect(other) == ()


def test_a_returning_worker_ends_its_old_connection(routing: Routing) -> None:
    old, new, caller = routing.connect("w"), routing.connect(), routing.connect("c")
    routing.register(old, "f")
    routing.call(caller, "f", {})
    actions = routing.tell(new, Reattach(old.id, old.token))
    assert actions[-1] == Evict(old.id)
    assert [answer.error for answer in sent(actions, InvocationResult)] == [
        ErrorBody("invocation_stopped", "Invocation stopped")
    ]
    assert routing.register(old, "g") == ()  # it may still be talking
    routing.register(new, "f")
    assert not sent(routing.introduce(new, "w"), RegistrationRejected)
    assert sent(routing.call(caller, "f", {}, "again"), InvokeFunction)


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_only_the_worker_itself_can_end_its_connection(routing: Routing, token: str | None) -> None:
    old, new = routing.connect("w"), routing.connect()
    assert routing.tell(new, Reattach(old.id, token)) == ()
    assert routing.tell(new, Reattach("unknown", old.token)) == ()
    assert routing.tell(old, Reattach(old.id, old.token)) == ()


def test_workers_are_listed(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    routing.connect()  # has not said its pid: hidden
    rows = routing.result(worker, "engine::workers::list", {})["workers"]
    assert [row["name"] for row in rows] == ["iii-engine-functions", "w"]
    assert rows[0]["status"] == "available"
    assert rows[0]["isolation"] == "in-process"
    assert rows[1]["function_count"] == 1
    assert rows[1]["active_invocations"] == 1
    for asked, count in (({"runtime": "engine"}, 1), ({"status": "gone"}, 0), ({"search": "w"}, 1)):
        assert len(routing.result(worker, "engine::workers::list", asked)["workers"]) == count


def test_one_worker_is_described(routing: Routing) -> None:
    worker = routing.connect("w")
    routing.register(worker, "f")
    routing.trigger(worker, "t", WORKERS_AVAILABLE, "f")
    found = routing.result(worker, "engine::workers::info", {"name": "w"})
    assert found["worker"]["pid"] == 1
    assert found["worker"]["internal"] is False
    assert [row["function_id"] for row in found["functions"]] == ["f"]
    assert [row["id"] for row in found["registered_triggers"]] == ["t"]
    inside = routing.result(worker, "engine::workers::info", {"name": "iii-engine-functions"})
    assert inside["worker"]["internal"] is True
    assert {row["id"] for row in inside["trigger_types"]} >= {WORKERS_AVAILABLE}
    missing = routing.result(worker, "engine::workers::info", {"name": "nobody"})
    assert missing.code == "NOT_FOUND"
    routing.connect("w", "dev")
    ambiguous = routing.result(worker, "engine::workers::info", {"name": "w"})
    assert ambiguous.code == "NOT_FOUND"
    asked = {"name": "w", "namespace": "dev"}
    assert routing.result(worker, "engine::workers::info", asked)["worker"]["namespace"] == "dev"


def test_one_connection_cannot_register_everything(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_workers, "MAX_REGISTRATIONS", 3)
    worker = routing.connect()
    routing.register(worker, "f")
    routing.trigger(worker, "t", "tick", "f")
    routing.introduce(worker, "w")
    assert not sent(routing.tell(worker, RegisterTriggerType("a", "d")), RegistrationRejected)
    assert sent(routing.tell(worker, RegisterTriggerType("b", "d")), RegistrationRejected)
    assert sent(routing.register(worker, "g"), RegistrationRejected)
    (refusal,) = sent(routing.trigger(worker, "u", "tick", "f"), TriggerRegistrationResult)
    assert refusal.error is not None
    assert refusal.error.code == "overloaded"
    routing.tell(worker, UnregisterFunction("f"))
    assert not sent(routing.register(worker, "g"), RegistrationRejected)
