"""What a worker does with its threads."""

import asyncio
import threading

import pytest

import agentfx as fx
from agentfx._clock import SystemClock
from agentfx.cluster._executor import Executor
from agentfx.wire import Json


@fx.task("executor::double")
def double(n: int) -> int:
    return 2 * n


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
    executor.start({
        "id": "r/1#1", "start": "r/1#1/1", "task": double.id, "input": '{"n": 4}', "key": "k",
        "attempt": 1, "delivery": 1, "run": "r",
    })  # fmt: skip
    (outcome,) = await told.get()
    monkeypatch.undo()
    assert outcome["error"] is None
    assert not executor.idle.is_set()
    release.set()
    await executor.idle.wait()
    assert not executor.stuck.is_set()
