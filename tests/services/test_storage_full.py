"""A disk that is full: callers are told, the rest goes on, and so does everything afterwards."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agentfx.services._host import Binding
from agentfx.services._store import StorageFullError, Transaction
from agentfx.services.sessions._service import SWEEP_SECONDS
from tests.services.kit import Recorder, Services, failures, services
from tests.services.sessions_kit import sessions
from tests.waiting import eventually

BIG = "x" * 200_000


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Services]:
    async with services(tmp_path) as kit:
        yield kit


async def test_state_says_so_and_can_still_be_read(kit: Services) -> None:
    place = {"scope": "s", "key": "k"}
    await kit.call("state::set", **place, value="before")
    await kit.limit_pages(2)
    assert await kit.refused("state::set", **place, value=BIG) == "SET_ERROR"
    append = {"type": "append", "path": "", "value": BIG}
    assert await kit.refused("state::update", **place, ops=[append]) == "UPDATE_ERROR"
    assert await kit.call("state::get", **place) == "before"
    assert await kit.call("state::list", scope="s") == ["before"]
    await kit.limit_pages(None)
    await kit.call("state::set", **place, value=BIG)
    assert await kit.call("state::get", **place) == BIG


async def test_a_failed_write_is_told_to_nobody_else(kit: Services) -> None:
    work = Recorder()
    kit.host.serve("work", work)
    await kit.call(
        "engine::register_trigger", trigger_type="state", function_id="work", config={"scope": "s"}
    )
    await kit.limit_pages(2)
    assert await kit.refused("state::set", scope="s", key="k", value=BIG) == "SET_ERROR"
    await kit.limit_pages(None)
    await kit.call("state::set", scope="s", key="k", value=1)
    await eventually(lambda: len(work.calls) == 1)
    assert work.calls[0]["event_type"] == "state:created"


async def test_senders_are_told_and_nothing_is_half_done(kit: Services) -> None:
    work = Recorder()
    kit.host.serve("work", work)
    await kit.subscribe("orders", "work")
    await kit.publish("orders", "before")
    await eventually(lambda: work.calls == ["before"])
    await kit.limit_pages(2)
    assert await kit.refused("iii::durable::publish", topic="orders", data=BIG) == "storage_full"
    code = await kit.refused(
        "engine::queue::enqueue",
        queue="default",
        function_id="work",
        data=BIG,
        messageReceiptId="r",
    )
    assert code == "storage_full"
    await kit.still()
    assert work.calls == ["before"]
    await kit.limit_pages(None)
    await kit.publish("orders", "after")
    await eventually(lambda: work.calls == ["before", "after"])


@pytest.mark.parametrize("errors", [[], ["invocation_failed"], ["invocation_stopped"]])
async def test_what_was_handled_is_not_handled_again(
    kit: Services, monkeypatch: pytest.MonkeyPatch, errors: list[str]
) -> None:
    work = Recorder()
    work.errors = [error for code in errors for error in failures(1, code)]
    work.gate.clear()
    kit.host.serve("work", work)
    await kit.enqueue("default", "work", 1)
    await eventually(lambda: work.running == 1)
    write, full = kit.store.write, True

    async def refuse() -> None:
        raise StorageFullError("the disk is full")

    def write_if_room(operation: Callable[[Transaction], Any]) -> Awaitable[Any]:
        return refuse() if full else write(operation)

    monkeypatch.setattr(kit.store, "write", write_if_room)
    work.gate.set()
    for _ in range(3):
        await kit.still()
        kit.clock.advance(1.1)
    assert work.calls == [1]
    assert await kit.depth("default") == 1
    full = False
    await kit.still()
    kit.clock.advance(1.1)
    if errors == ["invocation_failed"]:
        await kit.empty("default")  # delayed
        kit.clock.advance(5)
    await eventually(lambda: len(work.calls) == 1 + len(errors))
    await kit.empty("default")


async def fill(kit: Services) -> int:
    """Use up what room is left; how many values it took."""
    number = 0
    while True:
        try:
            await kit.call("state::set", scope="fill", key=str(number), value="x" * 500)
        except Exception:
            return number
        number += 1


async def test_a_subscription_waits_for_room(kit: Services) -> None:
    work = Recorder()
    kit.host.serve("work", work)
    await kit.publish("orders", "early")
    await kit.limit_pages(0)
    await fill(kit)
    kit.queue.bind(Binding("t1", "work", {"topic": "orders"}))
    await kit.still()
    await kit.limit_pages(None)
    kit.clock.advance(1.1)
    await eventually(lambda: work.calls == ["early"])


async def test_a_sweep_that_finds_no_room_is_not_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[float] = []
    async with sessions(tmp_path) as at:

        async def full() -> None:
            swept.append(at.clock.wall())
            raise StorageFullError("the disk is full")

        monkeypatch.setattr(at.service, "sweep", full)
        for count in (1, 2):
            await at.jobs.store.write(lambda t: None)  # so that the sweeper sleeps
            at.clock.advance(SWEEP_SECONDS)
            await eventually(lambda count=count: len(swept) == count)  # type: ignore[misc]
