"""Time in the hands of a test, and programs run by it under both interpreters."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agentfx.algebra import AnyEffect, Exit
from agentfx.interpreters import Observer, RunDriver
from agentfx.interpreters._memory import _Memory
from agentfx.interpreters._observe import Events
from agentfx.testing import InMemoryBackend

T = TypeVar("T")
TURNS = 60
"""Turns of the loop after which nothing is left to do until time passes: nothing does I/O."""


class ManualClock:
    """Time passes from one sleeper to the next, when everything else has come to rest."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._number), future))
        await future

    async def run(self, work: Awaitable[T]) -> T:
        """Let time pass until some work is done."""
        task = asyncio.ensure_future(work)
        while not await _settled(task):
            if not self._sleepers:
                await asyncio.sleep(0.001)  # a timeout of the loop's own goes by real time
                continue
            self.now, _, sleeper = heapq.heappop(self._sleepers)
            if not sleeper.done():
                sleeper.set_result(None)
        return await task


async def _settled(task: "asyncio.Future[Any]") -> bool:
    for _ in range(TURNS):
        await asyncio.sleep(0)
    return task.done()


async def in_memory(
    program: AnyEffect, clock: ManualClock, observe: Observer | None = None
) -> Exit[Any, Any]:
    """`run_memory`, by this clock."""
    return await clock.run(
        _Memory("run", clock, Events("run", clock, observe), {}).run(program, None)
    )


async def on_backend(
    program: AnyEffect,
    clock: ManualClock,
    backend: InMemoryBackend | None = None,
    run_id: str = "run",
) -> Exit[Any, Any]:
    """`run_dist` on a backend in memory, by this clock."""
    driver = RunDriver(backend or InMemoryBackend(), run_id, program, None, None, clock)
    return await clock.run(driver.run())


ByClock = Callable[[AnyEffect, ManualClock], Awaitable[Exit[Any, Any]]]
INTERPRETERS: dict[str, ByClock] = {"memory": in_memory, "dist": on_backend}
