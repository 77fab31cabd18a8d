"""Jobs that do nothing, through two workers: rates, latency, CPU, memory.

Beside each: plain SQLite with the same durability (see `floors`), measured just before.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

import agentfx as fx
from bench.figures import Figure, Floor, median, percentile
from bench.floors import sqlite_job_ms, sqlite_jobs

ROUNDS = 5
AT_ONCE = 1_000
WINDOW = 8
ALONE = 500
CPU_JOBS = 4_000
QUEUED = 10_000
MIB = 1024 * 1024


@dataclass
class Where:
    """Which engine the jobs go through: a new embedded one, unless there is a url."""

    url: str | None = None

    def aim(self, embedded: float, elsewhere: float) -> float:
        """What is asked for there."""
        return embedded if self.url is None else elsewhere


on = Where()


@fx.task("bench::noop")
async def noop(n: int) -> int:
    """Nothing, durably."""
    return n


def figures() -> list[Figure]:
    """Rates beside their floor, one job alone, CPU, a long queue."""
    return asyncio.run(_figures())


async def _figures() -> list[Figure]:
    async with _cluster() as cluster:
        found = [
            await _rate(cluster, "1,000 jobs at once, 2 x 4 slots", AT_ONCE, on.aim(2.5, 1.2)),
            await _rate(cluster, "window of 8", WINDOW, on.aim(1.0, 0.5)),
            *await _alone(cluster),
            *await _cpu(cluster),
        ]
    async with _cluster() as cluster:
        found += await _long_queue(cluster)
    return found


@asynccontextmanager
async def _cluster() -> AsyncGenerator[fx.Cluster]:
    with tempfile.TemporaryDirectory(prefix="agentfx-bench-") as home:
        async with fx.local(
            workers=2, slots=4, home=home, url=on.url, token=os.environ.get("III_TOKEN")
        ) as cluster:
            await fx.run_dist(noop.for_each(range(200)), backend=cluster)  # warm up
            yield cluster


async def _rate(cluster: fx.Cluster, name: str, window: int, aim: float) -> Figure:
    rates: list[float] = []
    floors: list[float] = []
    for _ in range(ROUNDS):
        floors.append(await asyncio.to_thread(sqlite_jobs))
        begin = time.perf_counter()
        await _run(cluster, AT_ONCE, window)
        rates.append(AT_ONCE / (time.perf_counter() - begin))
    floor = Floor("SQLite, two processes", median(floors))
    return Figure(
        name, median(rates), "jobs/s", floor, aim, "ratio", more_is_better=True,
        spread=(min(rates), max(rates)),
    )  # fmt: skip


async def _run(cluster: fx.Cluster, count: int, window: int) -> None:
    exit_ = await fx.run_dist(noop.for_each(range(count), concurrency=window), backend=cluster)
    assert exit_ == fx.Ok(list(range(count)))


async def _alone(cluster: fx.Cluster) -> list[Figure]:
    """One job after the other: from the step to its value in the driver."""
    times: list[float] = []

    @fx.do
    def one_by_one() -> fx.Do[int, fx.ContractViolation | fx.TaskError]:
        for n in range(ALONE):
            begin = time.perf_counter()
            yield from noop(n)
            times.append((time.perf_counter() - begin) * 1e3)
        return ALONE

    floor = Floor("SQLite, insert, claim, complete", await asyncio.to_thread(sqlite_job_ms))
    assert await fx.run_dist(one_by_one(), backend=cluster) == fx.Ok(ALONE)
    return [
        Figure("one job alone, p50", percentile(times, 50), "ms", floor, on.aim(2.5, 6.0)),
        Figure("one job alone, p99", percentile(times, 99), "ms", floor, 6.0),
    ]


async def _cpu(cluster: fx.Cluster) -> list[Figure]:
    """CPU of all processes for a job, and what a worker keeps in memory."""
    processes = await _processes(cluster)
    before = {name: _cpu_ms(process) for name, process in processes.items()}
    for _ in range(CPU_JOBS // AT_ONCE):
        await _run(cluster, AT_ONCE, AT_ONCE)
    spent = {
        name: (_cpu_ms(process) - before[name]) / CPU_JOBS for name, process in processes.items()
    }
    workers = sum(ms for name, ms in spent.items() if name.startswith("w"))
    worker_memory = max(
        process.memory_info().rss for name, process in processes.items() if name.startswith("w")
    )
    return [
        Figure("CPU a job, all processes", sum(spent.values()), "ms", None, 0.6),
        Figure("CPU a job, engine with services", spent["engine"], "ms"),
        Figure("CPU a job, workers", workers, "ms"),
        Figure("CPU a job, driver", spent["driver"], "ms"),
        Figure("worker RSS", worker_memory / MIB, "MiB", None, 60.0),
    ]


async def _processes(cluster: fx.Cluster) -> dict[str, psutil.Process]:
    found = {row["label"]: psutil.Process(row["pid"]) for row in await cluster.workers()}
    found["engine"] = psutil.Process((await cluster.status())["services"])
    found["driver"] = psutil.Process()
    return found


def _cpu_ms(process: psutil.Process) -> float:
    times = process.cpu_times()
    return (times.user + times.system) * 1e3


async def _long_queue(cluster: fx.Cluster) -> list[Figure]:
    """10,000 jobs queued at once: memory of the engine, and whether the last are slower."""
    engine = (await _processes(cluster))["engine"]
    run = await fx.start(noop.for_each(range(QUEUED), concurrency=QUEUED), backend=cluster)
    peak = engine.memory_info().rss
    ended = asyncio.ensure_future(run.result())
    while not ended.done():
        peak = max(peak, engine.memory_info().rss)
        await asyncio.wait([ended], timeout=0.1)
    assert ended.result() == fx.Ok(list(range(QUEUED)))
    done = [event.at async for event in run.events() if event.type == "job_done"]
    first = AT_ONCE / (done[2 * AT_ONCE] - done[AT_ONCE])
    last = AT_ONCE / (done[-1] - done[-1 - AT_ONCE])
    return [
        Figure("10,000 queued jobs: engine RSS", peak / MIB, "MiB", None, 150.0),
        Figure(
            "10,000 queued jobs: the last thousand", last, "jobs/s", Floor("the second", first),
            0.8, "ratio", more_is_better=True,
        ),
    ]  # fmt: skip
