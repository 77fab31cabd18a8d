"""Topics, on a real store and with time in the test's hands."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agentfx.services._host import Binding
from agentfx.services.queue import QueueSettings
from tests.services.kit import HandClock, Recorder, Services, failures, services
from tests.waiting import eventually

HOUR = 3600.0


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Services]:
    async with services(tmp_path) as kit:
        yield kit


async def test_every_subscriber_gets_every_message(kit: Services) -> None:
    one, two = Recorder(), Recorder()
    kit.host.serve("one", one)
    kit.host.serve("two", two)
    await kit.subscribe("orders", "one")
    await kit.subscribe("orders", "two")
    for number in range(3):
        await kit.publish("orders", number)
    await eventually(lambda: len(one.calls) == len(two.calls) == 3)
    assert one.calls == two.calls == [0, 1, 2]


async def test_triggers_of_one_function_share_its_messages(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    for _ in range(2):
        await kit.subscribe("orders", "work", queue_config={"concurrency": 2})
    for number in range(6):
        await kit.publish("orders", number)
    await eventually(lambda: work.running == 4)
    await kit.still()
    assert work.running == 4
    stats = await kit.call("engine::queue::topic_stats", topic="orders")
    assert stats == {"depth": 6, "consumer_count": 2, "dlq_depth": 0, "config": None}
    work.gate.set()
    await eventually(lambda: len(work.calls) == 6)


async def test_what_is_published_too_early_is_kept_for_the_first(kit: Services) -> None:
    first, second = Recorder(), Recorder()
    kit.host.serve("first", first)
    kit.host.serve("second", second)
    for number in range(3):
        await kit.publish("orders", number)
    assert await kit.depth("orders") == 3
    assert {
        "name": "orders",
        "broker_type": "builtin",
        "subscriber_count": 0,
    } in await kit.call("engine::queue::list_topics")
    await kit.subscribe("orders", "first")
    await kit.subscribe("orders", "second")
    await eventually(lambda: first.calls == [0, 1, 2])
    await kit.still()
    assert second.calls == []


async def test_a_subscriber_that_comes_back_finds_what_it_missed(kit: Services) -> None:
    one, two = Recorder(), Recorder()
    kit.host.serve("one", one)
    kit.host.serve("two", two)
    binding = Binding("t1", "one", {"topic": "orders"})
    kit.queue.bind(binding)
    await kit.subscribe("orders", "two")
    kit.queue.unbind(binding, disconnected=True)
    await kit.publish("orders", "missed")
    await eventually(lambda: two.calls == ["missed"])
    await kit.still()
    assert one.calls == []
    kit.queue.bind(binding)
    await eventually(lambda: one.calls == ["missed"])


async def test_a_subscriber_that_stays_away_gets_no_more(kit: Services) -> None:
    one, two = Recorder(), Recorder()
    kit.host.serve("one", one)
    kit.host.serve("two", two)
    binding = Binding("t1", "one", {"topic": "orders"})
    kit.queue.bind(binding)
    kit.queue.unbind(binding, disconnected=True)
    await kit.publish("orders", "in time")
    kit.clock.advance(HOUR + 1)
    await kit.publish("orders", "kept for whoever comes")
    await kit.subscribe("orders", "two")
    await eventually(lambda: two.calls == ["kept for whoever comes"])
    kit.queue.bind(binding)
    await eventually(lambda: one.calls == ["in time"])


async def test_a_subscriber_that_unsubscribed_gets_no_more(kit: Services) -> None:
    one, two = Recorder(), Recorder()
    kit.host.serve("one", one)
    kit.host.serve("two", two)
    trigger_id = await kit.subscribe("orders", "one")
    await kit.publish("orders", 1)
    await eventually(lambda: one.calls == [1])
    await kit.unsubscribe(trigger_id)
    await kit.publish("orders", 2)
    await kit.subscribe("orders", "two")
    await eventually(lambda: two.calls == [2])
    await kit.subscribe("orders", "one")
    await kit.still()
    assert one.calls == [1]


async def test_coming_and_going_at_once_leaves_nobody_subscribed(kit: Services) -> None:
    binding, work = Binding("t1", "one", {"topic": "orders"}), Recorder()
    for _ in range(5):
        kit.queue.bind(binding)
        kit.queue.unbind(binding, disconnected=False)
    kit.queue.unbind(binding, disconnected=False)
    await kit.publish("orders", 1)
    kit.host.serve("two", work)
    await kit.subscribe("orders", "two")
    await eventually(lambda: work.calls == [1])


async def test_a_trigger_that_is_replaced_stays_subscribed(kit: Services) -> None:
    binding, work = Binding("t1", "work", {"topic": "orders"}), Recorder()
    kit.host.serve("work", work)
    kit.queue.bind(binding)
    kit.queue.unbind(binding, disconnected=False)
    kit.queue.bind(binding)
    await kit.publish("orders", 1)
    await eventually(lambda: work.calls == [1])
    assert await kit.attached() == ["orders"]


@pytest.mark.parametrize(
    ("tuning", "delays"),
    [
        ({}, [1.0, 2.0]),
        ({"maxRetries": 0}, []),
        ({"maxRetries": 1}, [1.0]),
        ({"maxRetries": 3, "backoffDelayMs": 100}, [0.1, 0.2, 0.4]),
    ],
)
async def test_a_subscriber_says_how_often_it_is_tried(
    kit: Services, tuning: dict[str, int], delays: list[float]
) -> None:
    work = Recorder()
    work.errors = failures(9)
    kit.host.serve("work", work)
    await kit.subscribe("orders", "work", queue_config=tuning)
    await kit.publish("orders", 1)
    for number, delay in enumerate(delays, start=1):
        await eventually(lambda number=number: len(work.calls) == number)  # type: ignore[misc]
        await kit.still()
        kit.clock.advance(delay)
    (letter,) = await kit.dead("orders", 1)
    assert letter["retries"] == len(work.calls) == len(delays) + 1
    work.errors.clear()
    assert (await kit.call("iii::queue::redrive", topic="orders"))["redriven"] == 1
    await eventually(lambda: len(work.calls) == len(delays) + 2)


async def test_a_condition_may_skip_messages(kit: Services) -> None:
    work = Recorder()
    kit.host.serve("work", work)

    async def wanted(data: Any, caller: str | None) -> Any:
        return data["wanted"]

    kit.host.serve("wanted", wanted)
    await kit.subscribe("orders", "work", condition_function_id="wanted")
    verdicts: list[Any] = [False, True, None, 0, "no"]
    for verdict in verdicts:
        await kit.publish("orders", {"wanted": verdict})
    await eventually(lambda: len(work.calls) == 4)
    assert [call["wanted"] for call in work.calls] == [True, None, 0, "no"]
    await kit.still()
    assert await kit.depth("orders") == 0


@pytest.mark.parametrize("served", [True, False])
async def test_a_condition_that_fails_costs_an_attempt(kit: Services, served: bool) -> None:
    work, condition = Recorder(), Recorder()
    condition.errors = failures(1)
    kit.host.serve("work", work)
    if served:
        kit.host.serve("condition", condition)
    tuning = {"maxRetries": 0}
    await kit.subscribe("orders", "work", condition_function_id="condition", queue_config=tuning)
    await kit.publish("orders", 1)
    (letter,) = await kit.dead("orders", 1)
    assert letter["retries"] == 1
    assert work.calls == []


async def test_a_fifo_subscriber_gets_one_after_the_other(kit: Services) -> None:
    work = Recorder()
    work.errors = failures(1)
    kit.host.serve("work", work)
    await kit.subscribe("orders", "work", queue_config={"type": "fifo"})
    for number in range(4):
        await kit.publish("orders", number)
    await eventually(lambda: len(work.calls) == 1)
    await kit.still()
    assert work.calls == [0]
    kit.clock.advance(1)
    await eventually(lambda: len(work.calls) == 5)
    assert work.calls == [0, 0, 1, 2, 3]
    assert work.most_running == 1


async def test_what_waited_before_is_put_in_order_too(kit: Services) -> None:
    work = Recorder()
    work.gate.clear()
    kit.host.serve("work", work)
    paused = await kit.subscribe("orders", "work", queue_config={"concurrency": 0})
    for number in range(3):
        await kit.publish("orders", number)
    await kit.still()
    assert work.calls == []
    await kit.unsubscribe(paused)
    await kit.subscribe("orders", "work", queue_config={"type": "fifo"})
    await kit.still()
    assert work.calls == [0]
    work.gate.set()
    await eventually(lambda: work.calls == [0, 1, 2])


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"topic": "", "data": 1}, "topic_not_set"),
        ({"data": 1}, "topic_not_set"),
        ({"topic": "t"}, "deserialization_error"),
        ({"topic": 5, "data": 1}, "deserialization_error"),
    ],
)
async def test_what_cannot_be_published_is_refused(
    kit: Services, asked: dict[str, Any], code: str
) -> None:
    assert await kit.refused("iii::durable::publish", **asked) == code


async def test_a_subscription_that_is_none_is_refused(kit: Services) -> None:
    code = await kit.refused(
        "engine::register_trigger",
        trigger_type="durable:subscriber",
        function_id="f",
        config={"topic": ""},
    )
    assert code == "trigger_registration_failed"


async def test_subscriptions_survive_a_restart(tmp_path: Path) -> None:
    clock = HandClock()
    async with services(tmp_path, clock=clock) as kit:
        await kit.subscribe("orders", "one")
        await kit.subscribe("orders", "two")
        await kit.publish("orders", "before")
        await kit.still()
    async with services(tmp_path, clock=clock) as kit:
        await kit.publish("orders", "meanwhile")
        for name in ("one", "two"):
            work = Recorder()
            kit.host.serve(name, work)
            await kit.subscribe("orders", name)
            await eventually(lambda work=work: len(work.calls) == 2)  # type: ignore[misc]
            assert work.calls == ["before", "meanwhile"]


async def test_another_retention_may_be_asked_for(tmp_path: Path) -> None:
    async with services(tmp_path, QueueSettings(retention_seconds=0)) as kit:
        binding, work = Binding("t1", "one", {"topic": "orders"}), Recorder()
        kit.queue.bind(binding)
        kit.queue.unbind(binding, disconnected=True)
        kit.clock.advance(1)
        await kit.publish("orders", 1)
        kit.host.serve("two", work)
        await kit.subscribe("orders", "two")
        await eventually(lambda: work.calls == [1])
