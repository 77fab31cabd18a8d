"""What a worker does with its threads."""

import asyncio
import threading

import pytest

import agentfx as fx
from agentfx._clock import SystemClock
from agentfx.cluster._executor import Executor
from agentfx.interpreters import outcome_recorded
from agentfx.wire import Json


@fx.task("executor::double")
def double(n: int) -> int:
    return 2 * n


@fx.task("executor::record")
async def record(n: int) -> None:
    if n == 4 and (recorded := outcome_recorded.get()) is not None:
        recorded()


def _start(job: str, task: str, n: int = 4) -> Json:
    return {
        "id": job, "start": f"{job}/1", "task": task, "input": f'{{"n": {n}}}', "key": "k",
        "attempt": 1, "delivery": 1, "run": "r",
    }  # fmt: skip


async def test_an_outcome_that_is_on_record_already_is_neither_told_nor_held() -> None:
    told: asyncio.Queue[list[Json]] = asyncio.Queue()
    executor = Executor("w1", 1, lambda task, code: record, SystemClock(), told.put_nowait)
    executor.start(_start("r/1#1", record.id))
    executor.start(_start("r/2#1", record.id, n=5))  # waits for the only slot
    assert [outcome["job"] for outcome in await told.get()] == ["r/2#1"]
    assert executor.held() == [("r/2#1/1", "r/2#1")]
    assert told.empty()


async def test_a_thread_that_is_just_ending_makes_no_worker_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    class Lingering(threading.Thread):
        def run(self) -> None:
            super().run()
            release.wait()

    told: asyncio.Queue[list[Json]] = asyncio.Queue()
    executor = Executor("w1", 1, lambda task, code: double, SystemClock(), told.put_nowait)
    monkeypatch.setattr(threading, "Thread", Lingering)
    executor.start(_start("r/1#1", double.id))
    (outcome,) = await told.get()
    monkeypatch.undo()
    assert outcome["error"] is None
    assert not executor.idle.is_set()
    release.set()
    await executor.idle.wait()
    assert not executor.stuck.is_set()
