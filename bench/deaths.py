"""How long a death is felt: of a worker, of the engine, of a worker that falls silent.

Times are between the kill here and the event that services recorded, on one machine's clock.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise

import psutil

import agentfx as fx
from bench.figures import Figure, Floor, median

ROUNDS = 5
SLOTS = 8
HELD = 4
LONG_SECONDS = 3.0
SHORT_SECONDS = 0.02
STREAM = 800


@fx.task("bench::hold")
async def hold(n: int, seconds: float) -> int:
    """A job that is running when something dies."""
    await asyncio.sleep(seconds)
    return n


def figures() -> list[Figure]:
    """A killed worker, a killed engine, a silent worker, and a new worker."""
    return asyncio.run(_figures())


async def _figures() -> list[Figure]:
    return [await _killed_worker(), await _killed_engine(), await _silent_worker(), await _spawn()]


@asynccontextmanager
async def _cluster(workers: int) -> AsyncGenerator[fx.Cluster]:
    with tempfile.TemporaryDirectory(prefix="agentfx-bench-") as home:
        async with fx.local(workers=workers, slots=SLOTS, home=home) as cluster:
            await fx.run_dist(hold(0, 0.0), backend=cluster)
            yield cluster


async def _killed_worker() -> Figure:
    """Until the last of its jobs was started again, on a worker with free slots."""
    times: list[float] = []
    async with _cluster(2) as cluster:
        for _ in range(ROUNDS):
            labels = {row["label"] for row in await cluster.workers()}
            run = await _holding(cluster)
            victim = next(row for row in await cluster.workers() if row["running"])
            killed = time.time()
            os.kill(victim["pid"], signal.SIGKILL)
            await run.result()
            restarts = [e.at for e in await _events(run) if _again(e)]
            times.append(max(restarts) - killed)
            await cluster.joined(labels)
    floor = Floor("a killed child is reaped", await asyncio.to_thread(_reaped))
    return Figure(
        "worker killed: last of its jobs started again", median(times), "s", floor, 0.1,
        spread=(min(times), max(times)),
    )  # fmt: skip


def _again(event: fx.Event) -> bool:
    return event.type == "job_started" and (event.delivery or 0) > 1


async def _holding(cluster: fx.Cluster, seconds: float = LONG_SECONDS) -> fx.Run[object, object]:
    program = fx.for_each(range(HELD), lambda n: hold(n, seconds), concurrency=HELD)
    run = await fx.start(program, backend=cluster)
    while sum(len(row["running"]) for row in await cluster.workers()) < HELD:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return run


async def _events(run: fx.Run[object, object]) -> list[fx.Event]:
    return [event async for event in run.events()]


def _reaped() -> float:
    child = psutil.Popen(["sleep", "60"])
    begin = time.perf_counter()
    child.kill()
    child.wait()
    return time.perf_counter() - begin


async def _killed_engine() -> Figure:
    """The longest pause in a stream of short jobs, seen by its driver."""
    times: list[float] = []
    async with _cluster(2) as cluster:
        times += [await _pause(cluster) for _ in range(ROUNDS)]
    return Figure(
        "engine killed: next job done", median(times), "s",
        Floor("an interpreter with its imports", await asyncio.to_thread(_interpreter)), 1.5,
        spread=(min(times), max(times)),
    )  # fmt: skip


async def _pause(cluster: fx.Cluster) -> float:
    done: list[float] = []

    def noted(n: int) -> fx.Effect[None, fx.ContractViolation | fx.TaskError]:
        return hold(n, SHORT_SECONDS).map(lambda _: done.append(time.perf_counter()))

    run = await fx.start(fx.for_each(range(STREAM), noted, concurrency=8), backend=cluster)
    while len(done) < STREAM // 4:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await cluster.kill_engine()
    await run.result()
    return max(later - sooner for sooner, later in pairwise(done))


def _interpreter() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import websockets.server, pydantic.main"], check=True)
    return time.perf_counter() - begin


async def _silent_worker() -> Figure:
    """Until the jobs of a stopped worker were started again elsewhere."""
    async with _cluster(2) as cluster:
        run = await _holding(cluster, seconds=12.0)
        victim = next(row for row in await cluster.workers() if row["running"])
        stopped = time.time()
        os.kill(victim["pid"], signal.SIGSTOP)
        try:
            await run.result()
        finally:
            os.kill(victim["pid"], signal.SIGCONT)
        restarts = [e.at for e in await _events(run) if _again(e)]
        return Figure(
            "silent worker: its jobs started again", max(restarts) - stopped, "s", None, 5.5
        )


async def _spawn() -> Figure:
    """From asking for a worker until it serves."""
    times: list[float] = []
    async with _cluster(1) as cluster:
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            await cluster.spawn()
            times.append(time.perf_counter() - begin)
    floor = Floor("an interpreter with its imports", await asyncio.to_thread(_interpreter))
    return Figure(
        "new worker serves", median(times), "s", floor, 0.3, spread=(min(times), max(times))
    )
