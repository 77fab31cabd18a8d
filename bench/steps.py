"""Steps of the driver in the journal: what one costs, and what their replay costs."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import agentfx as fx
from bench.figures import Figure, Floor, percentile
from bench.floors import sqlite_commit_ms, sqlite_read_seconds

STEPS = 500
REPLAYED = 10_000
HALF_WAY = 250
ID = "bench-steps"


async def noop() -> int:
    """An ordinary coroutine, run by the driver."""
    return 1


class StopHere(Exception):  # noqa: N818 - not an error
    """A defect on purpose: the run stays resumable."""


@fx.do
def steps(count: int, stop: bool, times: list[float]) -> fx.Do[int]:
    """So many journaled steps; each one's milliseconds."""
    for _ in range(count):
        begin = time.perf_counter()
        yield from fx.attempt(noop, returns=int)
        times.append((time.perf_counter() - begin) * 1e3)
    if stop:
        raise StopHere
    return count


@fx.do
def traced(log: str, count: int) -> fx.Do[int]:
    """Steps that write a line when they run, for the driver that is killed."""
    for n in range(count):
        yield from fx.attempt(lambda n=n: _write(log, n), returns=int)  # type: ignore[misc]
    return count


async def _write(log: str, n: int) -> int:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{n} {time.time()}\n".encode())
    os.close(descriptor)
    return n


def figures() -> list[Figure]:
    """One step, a replay of 10,000, a killed driver."""
    with tempfile.TemporaryDirectory(prefix="agentfx-bench-") as home:
        return asyncio.run(_figures(home))


async def _figures(home: str) -> list[Figure]:
    async with fx.local(workers=0, home=home) as cluster:
        found = [await _one(cluster), await _replay(cluster)]
        found += await asyncio.to_thread(_killed_driver, home)
        return found


async def _one(cluster: fx.Cluster) -> Figure:
    times: list[float] = []
    floor = Floor("SQLite, one commit", await asyncio.to_thread(sqlite_commit_ms))
    assert await fx.run_dist(steps(STEPS, False, times), backend=cluster) == fx.Ok(STEPS)
    return Figure("journaled step, p50", percentile(times, 50), "ms", floor, 1.0)


async def _replay(cluster: fx.Cluster) -> Figure:
    async def until_stop() -> float:
        begin = time.perf_counter()
        try:
            await fx.run_dist(steps(REPLAYED, True, []), backend=cluster, run_id="bench-replay")
        except StopHere:
            return time.perf_counter() - begin
        raise AssertionError("the program did not stop")

    await until_stop()
    floor = Floor("SQLite, reading rows", sqlite_read_seconds(REPLAYED))
    return Figure("10,000 journaled steps replayed", await until_stop(), "s", floor, 0.5)


def _killed_driver(home: str) -> list[Figure]:
    """A driver process killed at step 250 of 500, then the same run by a new process."""
    log = Path(home) / "steps.log"
    first = _driver(home, log)
    while _lines(log) < HALF_WAY:
        time.sleep(0.001)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = _lines(log)
    begun = time.time()
    second = _driver(home, log)
    assert second.wait() == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert {int(n) for n, _ in lines} == set(range(STEPS))
    ready = float(Path(home, f"driver-{second.pid}").read_text())
    next_step = float(lines[before][1]) - ready
    process = ready - begun
    return [
        Figure(
            "driver killed at 250 of 500: next new step", next_step, "s",
            Floor("the process and its imports", process), 0.35,
        ),
        Figure("driver killed: steps run twice", len(lines) - STEPS, "steps", None, 1.0),
    ]  # fmt: skip


def _driver(home: str, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bench.steps", home, str(log)])


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


async def _drive(home: str, log: str) -> None:
    Path(home, f"driver-{os.getpid()}").write_text(str(time.time()))  # noqa: ASYNC240
    async with fx.local(workers=0, home=home) as cluster:
        await fx.run_dist(traced(log, STEPS), backend=cluster, run_id=ID)


if __name__ == "__main__":
    asyncio.run(_drive(sys.argv[1], sys.argv[2]))
