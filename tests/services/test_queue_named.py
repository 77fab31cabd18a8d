"""Named queues, on a real store and with time in the test's hands."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentfx.services._host import FunctionError, Host
from agentfx.services.queue import QueueConfig, QueueSettings, _payloads, _service
from agentfx.services.queue._rules import MAX_LOSSES
from tests.services.kit import HandClock, Recorder, Services, failures, services
from tests.waiting import eventually

SETTINGS = QueueSettings(
    {
        "jobs": QueueConfig(max_retries=3, concurrency=2, backoff_ms=1000),
        "ledger": QueueConfig(type="fifo", message_group_field="account", concurrency=10),
        "whole": QueueConfig(type="fifo", concurrency=10),
    }
)


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Services]:
    async with services(tmp_path, SETTINGS) as kit:
        yield kit


async def test_a_message_reaches_its_function_as_it_was_sent(kit: Services) -> None:
    work = Recorder()
    kit.host.serve("work", work)
    for data in ({"a": 1}, [1], None, "x"):
        assert await kit.enqueue("jobs", "work", data, "r1") == {"messageReceiptId": "r1"}
    await eventually(lambda: len(work.calls) == 4)
    assert work.calls == [{"a": 1}, [1], None, "x"]
    await kit.empty("jobs")


async def test_failures_are_tried_again_later_and_later_and_then_given_up(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(9)
    kit.host.serve("work", work)
    await kit.enqueue("jobs", "work", {"n": 1}, "receipt")
    for attempt, delay in ((1, 1.0), (2, 2.0)):
        await eventually(lambda attempt=attempt: len(work.calls) == attempt)  # type: ignore[misc]
        await kit.empty("jobs")  # a delayed message is not counted
        kit.clock.advance(delay - 0.01)
        await kit.still()
        assert len(work.calls) == attempt
        kit.clock.advance(0.02)
    (letter,) = await kit.dead("jobs", 1)
    size = letter.pop("size_bytes")
    assert size > 50
    assert letter == {
        "id": "receipt",
        "payload": {"n": 1},
        "error": 'ErrorBody { code: "invocation_failed", message: "failure 2", stacktrace: None }',
        "failed_at": int(kit.clock.wall()),
        "retries": 3,
    }
    assert len(work.calls) == 3


async def test_no_more_run_at_a_time_than_allowed(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    for number in range(6):
        await kit.enqueue("jobs", "work", number)
    await eventually(lambda: work.running == 2)
    await kit.still()
    assert work.calls == [0, 1]
    assert await kit.depth("jobs") == 6
    work.gate.set()
    await kit.empty("jobs")
    assert work.calls == list(range(6))
    assert work.most_running == 2


async def test_messages_wait_for_a_function_that_nobody_serves(kit: Services) -> None:
    other, work = Recorder(), Recorder()
    kit.host.serve("other", other)
    for number in range(5):
        await kit.enqueue("jobs", "work", number)
    await kit.enqueue("jobs", "other", "passes")
    await eventually(lambda: other.calls == ["passes"])
    kit.clock.advance(30)
    await kit.still()
    kit.host.serve("work", work)
    await kit.empty("jobs")
    assert work.calls == list(range(5))
    assert await kit.letters("jobs") == []


async def test_a_function_that_appears_unheard_is_found_in_the_end(
    kit: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Recorder()
    await kit.enqueue("jobs", "work", 1)
    await kit.still()
    monkeypatch.setattr(kit.host, "function_listeners", [])
    kit.host.serve("work", work)
    kit.clock.advance(59)
    await kit.still()
    assert work.calls == []
    kit.clock.advance(2)
    await eventually(lambda: work.calls == [1])


async def test_a_function_that_appears_during_the_call_is_called_again(kit: Services) -> None:
    work = Recorder()

    async def vanish(data: Any, caller: str | None) -> Any:
        kit.host.serve("work", work)
        raise FunctionError("function_not_found", "it has just gone")

    kit.host.serve("work", vanish)
    await kit.enqueue("jobs", "work", 1)
    await eventually(lambda: work.calls == [1])


async def test_a_worker_that_dies_costs_no_attempt(kit: Services) -> None:
    work = Recorder()
    work.errors = [*failures(5, "invocation_stopped"), *failures(2)]
    kit.host.serve("work", work)
    await kit.enqueue("jobs", "work", 1)
    await eventually(lambda: len(work.calls) == 6)  # five deaths, at once, and one failure
    await kit.still()
    kit.clock.advance(1)
    await eventually(lambda: len(work.calls) == 7)
    await kit.still()
    kit.clock.advance(2)
    await eventually(lambda: len(work.calls) == 8)
    await kit.empty("jobs")
    assert await kit.letters("jobs") == []


async def test_a_message_that_kills_its_workers_is_given_up(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(50, "invocation_stopped")
    kit.host.serve("work", work)
    await kit.enqueue("jobs", "work", 1)
    (letter,) = await kit.dead("jobs", 1)
    assert "invocation_stopped" in letter["error"]
    assert len(work.calls) == MAX_LOSSES


async def test_an_account_is_served_in_order_beside_the_others(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    entries = [{"account": account, "n": n} for n in range(3) for account in ("a", "b")]
    for entry in entries:
        await kit.enqueue("ledger", "work", entry)
    await eventually(lambda: work.running == 2)
    assert work.calls == entries[:2]
    work.gate.set()
    await kit.empty("ledger")
    for account in ("a", "b"):
        assert [one["n"] for one in work.calls if one["account"] == account] == [0, 1, 2]


async def test_a_failing_account_keeps_its_order(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(1)
    kit.host.serve("work", work)
    await kit.enqueue("ledger", "work", {"account": "a", "n": 0})
    await eventually(lambda: len(work.calls) == 1)
    await kit.still()
    await kit.enqueue("ledger", "work", {"account": "a", "n": 1})
    await kit.enqueue("ledger", "work", {"account": "b", "n": 0})
    await eventually(lambda: len(work.calls) == 2)
    await kit.still()
    assert work.calls[1] == {"account": "b", "n": 0}
    kit.clock.advance(1)
    await kit.empty("ledger")
    assert [one["n"] for one in work.calls if one["account"] == "a"] == [0, 0, 1]


async def test_a_fifo_queue_without_groups_is_one_group(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    for number in range(3):
        await kit.enqueue("whole", "work", number)
    await kit.still()
    assert work.most_running == 1
    work.gate.set()
    await kit.empty("whole")
    assert work.calls == [0, 1, 2]
    assert work.most_running == 1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"queue": "nope"}, "enqueue_error"),
        ({"queue": "ledger"}, "enqueue_error"),
        ({"queue": 5}, "deserialization_error"),
        ({"function_id": None}, "deserialization_error"),
        ({"messageReceiptId": 1}, "deserialization_error"),
        ({"namespace": 1}, "deserialization_error"),
    ],
)
async def test_what_cannot_be_enqueued_is_refused(
    kit: Services, asked: dict[str, Any], code: str
) -> None:
    full: dict[str, Any] = {"queue": "jobs", "function_id": "f", "data": 1}
    full["messageReceiptId"] = "r"
    assert await kit.refused("engine::queue::enqueue", **{**full, **asked}) == code
    assert await kit.depth("jobs") == 0


async def test_what_piles_up_before_the_store_is_refused(
    kit: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_service, "MAX_WAITING_WRITES", -1)
    asked: dict[str, Any] = {"queue": "jobs", "function_id": "f", "data": 1}
    refused = await kit.refused("engine::queue::enqueue", **asked, messageReceiptId="r")
    assert refused == "overloaded"
    assert await kit.refused("iii::durable::publish", topic="t", data=1) == "overloaded"


async def test_payloads_beyond_the_bound_are_read_when_they_are_due(
    kit: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_payloads, "MAX_BYTES", 10)
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    sent = [number * "x" for number in range(8)]
    for data in sent:
        await kit.enqueue("jobs", "work", data)
    await eventually(lambda: work.running == 2)
    work.gate.set()
    await kit.empty("jobs")
    assert sorted(work.calls) == sent


async def test_trace_context_travels_with_the_message(kit: Services) -> None:
    seen: list[Any] = []

    async def work(data: Any, caller: str | None) -> Any:
        seen.append(kit.host.trace())

    kit.host.serve("work", work)
    full = {"queue": "jobs", "function_id": "work", "data": 1, "messageReceiptId": "r"}
    await kit.call("engine::queue::enqueue", **full, traceparent="t", baggage="b")
    await kit.call("engine::queue::enqueue", **full)
    await eventually(lambda: len(seen) == 2)
    given, made = seen
    assert (given.traceparent, given.baggage) == ("t", "b")
    assert len(made.traceparent) == len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
    assert made.baggage == "iii.function.id=work"


async def test_dead_letters_are_brought_back_or_dropped(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(9)
    kit.host.serve("work", work)
    for number in range(3):
        await kit.enqueue("jobs", "work", number, f"r{number}")
    for delay in (1, 2):
        await kit.still()
        kit.clock.advance(delay)
    letters = await kit.dead("jobs", 3)
    ids = [letter["id"] for letter in letters]
    paged = {"topic": "jobs", "offset": 1, "limit": 1}
    assert await kit.call("engine::queue::dlq_messages", **paged) == letters[1:2]
    assert await kit.call("engine::queue::dlq_topics") == [
        {"topic": "jobs", "broker_type": "builtin", "message_count": 3}
    ]
    work.calls.clear()
    one = {"queue": "jobs", "message_id": ids[0]}
    assert await kit.call("iii::queue::discard_message", **one) == {**one, "redriven": 1}
    assert await kit.call("iii::queue::redrive_message", **one) == {**one, "redriven": 0}
    two = {"topic": "jobs", "message_id": ids[1]}
    brought = await kit.call("iii::queue::redrive_message", **two)
    assert brought == {"queue": "jobs", "message_id": ids[1], "redriven": 1}
    await eventually(lambda: len(work.calls) == 1)
    assert await kit.call("iii::queue::redrive", queue="jobs") == {"queue": "jobs", "redriven": 1}
    await eventually(lambda: len(work.calls) == 2)
    assert await kit.letters("jobs") == []
    assert await kit.call("iii::queue::redrive", queue="unknown") == {
        "queue": "unknown",
        "redriven": 0,
    }


async def test_a_redriven_message_has_all_its_attempts_again(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(6)
    kit.host.serve("work", work)
    await kit.enqueue("jobs", "work", 1)
    for round_ in (1, 2):
        for delay in (1, 2):
            await kit.still()
            kit.clock.advance(delay)
        await kit.dead("jobs", 1)
        assert len(work.calls) == 3 * round_
        await kit.call("iii::queue::redrive", queue="jobs")
    await eventually(lambda: len(work.calls) == 7)


@pytest.mark.parametrize(
    ("function_id", "asked", "code"),
    [
        ("iii::queue::redrive", {}, "queue_not_set"),
        ("iii::queue::redrive", {"queue": ""}, "queue_not_set"),
        ("iii::queue::redrive_message", {"queue": "jobs"}, "message_id_not_set"),
        ("iii::queue::discard_message", {"message_id": "m"}, "queue_not_set"),
        ("engine::queue::topic_stats", {}, "topic_required"),
        ("engine::queue::dlq_messages", {}, "queue_not_set"),
        ("engine::queue::dlq_messages", {"topic": "jobs", "limit": -1}, "deserialization_error"),
    ],
)
async def test_questions_that_say_too_little_are_refused(
    kit: Services, function_id: str, asked: dict[str, Any], code: str
) -> None:
    assert await kit.refused(function_id, **asked) == code


async def test_queues_are_listed(kit: Services) -> None:
    assert await kit.call("engine::queue::list_topics") == [
        {"name": "default", "broker_type": "builtin", "subscriber_count": 10},
        {"name": "jobs", "broker_type": "builtin", "subscriber_count": 2},
        {"name": "ledger", "broker_type": "builtin", "subscriber_count": 10},
        {"name": "whole", "broker_type": "builtin", "subscriber_count": 10},
    ]
    unknown = await kit.call("engine::queue::topic_stats", topic="unknown")
    assert unknown == {"depth": 0, "consumer_count": 0, "dlq_depth": 0, "config": None}


async def test_everything_survives_a_restart(tmp_path: Path) -> None:
    clock, hanging = HandClock(), Recorder()
    hanging.gate.clear()
    async with services(tmp_path, SETTINGS, clock=clock) as kit:
        failing = Recorder()
        failing.errors = failures(9)
        kit.host.serve("failing", failing)
        kit.host.serve("hanging", hanging)
        await kit.enqueue("jobs", "failing", "delayed")
        await eventually(lambda: len(failing.calls) == 1)
        await kit.still()
        for number in range(3):
            await kit.enqueue("jobs", "hanging", number)
        await eventually(lambda: hanging.running == 2)
    work, failing = Recorder(), Recorder()
    failing.errors = failures(9)

    async def prepare(host: Host) -> None:
        host.serve("hanging", work)
        host.serve("failing", failing)

    async with services(tmp_path, SETTINGS, clock=clock, prepare=prepare) as kit:
        await eventually(lambda: sorted(work.calls) == [0, 1, 2])
        assert failing.calls == []
        clock.advance(1)
        await eventually(lambda: len(failing.calls) == 1)
        await kit.still()
        clock.advance(2)
        assert (await kit.dead("jobs", 1))[0]["retries"] == 3
        assert len(failing.calls) == 2


async def test_a_queue_that_is_no_longer_configured_is_emptied(tmp_path: Path) -> None:
    async with services(tmp_path, SETTINGS) as kit:
        await kit.enqueue("jobs", "work", 1)
        await kit.still()
    work = Recorder()

    async def prepare(host: Host) -> None:
        host.serve("work", work)

    async with services(tmp_path, prepare=prepare) as kit:
        await eventually(lambda: work.calls == [1])
        assert (
            await kit.refused(
                "engine::queue::enqueue",
                queue="jobs",
                function_id="f",
                data=1,
                messageReceiptId="r",
            )
            == "enqueue_error"
        )


async def test_a_store_that_is_closed_first_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with services(tmp_path, SETTINGS) as kit:
        work = Recorder()
        work.errors = [*failures(1), *failures(9, "invocation_stopped")]
        work.gate.clear()
        kit.host.serve("work", work)
        for number in range(3):
            await kit.enqueue("jobs", "work", number)
        await eventually(lambda: work.running == 2)
        kit.store.close()
        work.gate.set()
        await kit.still()
    assert not caplog.records
    handled = Recorder()

    async def prepare(host: Host) -> None:
        host.serve("work", handled)

    async with services(tmp_path, SETTINGS, prepare=prepare):
        await eventually(lambda: handled.calls == [0, 1, 2])
