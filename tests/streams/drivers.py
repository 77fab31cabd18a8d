"""Programs of streams for drivers in processes of their own, which tests pause and kill."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import agentfx as fx
from agentfx.algebra import AnyEffect
from tests.faults.jobs import trace, traced
from tests.waiting import eventually

RACES = {"before": 1_000, "after": 100}
"""How many drivers are raced, by where they are paused: before their claims, or after."""


@fx.task("streams::think")
async def think(log: str, n: int, seconds: float) -> int:
    trace(log, f"think {n}")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        trace(log, f"cleaned up {n}")
        raise
    trace(log, f"thought {n}")
    return n


@fx.task("streams::fussy")
async def fussy(log: str, n: int) -> int:
    """Does not know what to do with 2, until it is mended."""
    trace(log, f"work {n}")
    if n == 2 and "mended" not in traced(Path(log)):
        raise LookupError(n)
    return n


@fx.action("streams::post")
async def post(log: str, n: int, epoch: int) -> str:
    trace(log, f"post {n} in epoch {epoch}")
    return f"posted {n}"


def tracing(log: str, text: str) -> fx.Effect[str]:
    """A step of the driver that leaves a trace."""

    async def f() -> str:
        trace(log, text)
        return text

    return fx.attempt(f)


def waiting(log: str, text: str) -> fx.Effect[None]:
    """A step of the driver that waits for a line in the log; nothing can stop it."""

    async def f() -> None:
        done = asyncio.ensure_future(eventually(lambda: text in traced(Path(log)), seconds=60))
        while not done.done():
            try:
                await asyncio.shield(done)
            except asyncio.CancelledError:
                trace(log, "not stopped")
        await done

    return fx.attempt(f)


def arriving(log: str, count: int) -> fx.Stream[int]:
    """Numbers, each as soon as the log has a line `input N`."""

    async def source(known: int) -> AsyncGenerator[int, None]:
        for n in range(known, count):
            await eventually(lambda n=n: f"input {n}" in traced(Path(log)))  # type: ignore[misc]
            yield n

    return fx.Stream.from_async_iterable(source, returns=int)


def answering(log: str) -> fx.Effect[list[str], Any]:
    """Think about the latest input, then post; the first two inputs are overtaken."""

    def body(n: int, fence: fx.Fence) -> AnyEffect:
        seconds = 60.0 if n < 2 else 0.1
        thought = think(log, n, seconds).flat_map(lambda n: fence.guard(post(log, n, fence.epoch)))
        return thought.ensuring(tracing(log, f"left {n}"))

    return arriving(log, 4).switch_map(body).to_list()


def summing(log: str) -> fx.Effect[list[int], Any]:
    """Work on each input; the last one comes when there is a line `input 5`."""
    return arriving(log, 6).merge_map(lambda n: think(log, n, 0.01), 3).to_list()


def racing(name: str, body: Callable[[int, fx.Fence], AnyEffect]) -> AnyEffect:
    """As many streams as there are races, each with a fence that others share."""

    def race(n: int) -> AnyEffect:
        return fx.Stream.of(n).switch_map(body, fence=f"{name} {n}").to_list().either()

    return fx.for_each(range(RACES[name]), race, concurrency=RACES[name])


def before_the_claim(log: str) -> AnyEffect:
    """Every fence is raised; every claim waits for a file `go`."""
    gate = Gate(log, RACES["before"])

    def body(n: int, fence: fx.Fence) -> AnyEffect:
        return gate.passed().flat_map(lambda _: fence.guard(tracing(log, f"old {n}")))

    return racing("before", body)


def after_the_claim(log: str) -> AnyEffect:
    """Every claim is granted; every effect waits for a file `go`, then shows its token."""
    gate = Gate(log, RACES["after"])

    def body(n: int, fence: fx.Fence) -> AnyEffect:
        return fence.guard(gate.passed().flat_map(lambda _: tracing(log, f"{n} {fence.epoch}")))

    return racing("after", body)


def newer(log: str, name: str) -> AnyEffect:
    """The latest input of every race."""
    return racing(name, lambda n, fence: fence.guard(tracing(log, f"{n} {fence.epoch}")))


def go(log: Path) -> Path:
    """The file that opens the gate."""
    return log.with_name("go")


class Gate:
    """All races wait here; the log says when all of them have come."""

    def __init__(self, log: str, races: int) -> None:
        self._log, self._missing, self._open = log, races, asyncio.Event()

    def passed(self) -> fx.Effect[None]:
        """Wait for the gate to open."""
        return fx.attempt(self._pass)

    async def _pass(self) -> None:
        self._missing -= 1
        if not self._missing:
            trace(self._log, "all wait")
            await eventually(go(Path(self._log)).exists, seconds=150)
            self._open.set()
        await self._open.wait()


PROGRAMS: dict[str, Callable[[str], AnyEffect]] = {
    "answering": answering,
    "summing": summing,
    "before": before_the_claim,
    "after": after_the_claim,
}


async def drive(name: str, home: str, log: str) -> None:
    """Drive a program on the cluster of a home to its end; the log says how it ended."""
    async with fx.local(workers=0, home=home) as cluster:
        exit_ = await fx.run_dist(PROGRAMS[name](log), backend=cluster, run_id=name)
    trace(log, f"ended {exit_!r}")
