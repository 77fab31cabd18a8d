"""Tasks that leave a trace of every execution, for tests that kill what runs them."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import agentfx as fx
from tests.waiting import eventually, is_alive


def trace(log: str, entry: str) -> None:
    """One line, written at once: it is there whatever dies next."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{entry}\n".encode())
    os.close(descriptor)


def traced(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def times(log: Path, kind: str) -> Counter[str]:
    return Counter(entry for entry in traced(log) if entry.startswith(kind))


@fx.task("faults::work")
async def work(log: str, n: int, seconds: float) -> int:
    trace(log, f"began {n}")
    await asyncio.sleep(seconds)
    trace(log, f"ended {n}")
    return n * n


async def step(log: str, name: str) -> int:
    """A step that the driver computes."""
    trace(log, f"step {name}")
    return len(name.rpartition(" ")[2])


@fx.task("faults::held")
async def held(log: str, n: int, gate: str) -> int:
    """Ends only once a file is there: whoever dies before that dies in the middle of it."""
    trace(log, f"began {n}")
    while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 - the test is another process
        await asyncio.sleep(0.01)
    trace(log, f"ended {n}")
    return n * n


@fx.task("faults::work_in_thread")
def work_in_thread(log: str, n: int, seconds: float) -> int:
    trace(log, f"began {n}")
    time.sleep(seconds)
    trace(log, f"ended {n}")
    return n * n


@fx.action("faults::pay")
async def pay(log: str, n: int, seconds: float) -> int:
    trace(log, f"began {n}")
    await asyncio.sleep(seconds)
    trace(log, f"ended {n}")
    return n


@fx.task("faults::poison")
async def poison(log: str, n: int) -> int:
    trace(log, f"began poison {n}")
    os._exit(9)


@fx.task("faults::broken")
async def broken(mended: str) -> str:
    if not Path(mended).exists():  # noqa: ASYNC240 (one stat of a local file)
        raise RuntimeError("not mended yet")
    return "mended"


async def pid_of(cluster: fx.Cluster, label: str) -> int:
    """The process of a worker."""
    return next(int(row["pid"]) for row in await cluster.workers() if row["label"] == label)


async def struck(pid: int) -> None:
    """Kill a process, and wait until it is gone: on a busy machine it may go on for a moment."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not is_alive(pid))


def lost_items(events: Iterable[fx.Event]) -> set[str]:
    """The entries that lost jobs of `squares` have left: `began <item>`."""
    paths = [event.path for event in events if event.type == "job_lost"]
    return {f"began {path.split('/')[1]}" for path in paths if path is not None}


def squares(
    log: Path, count: int, seconds: float, width: int = 64
) -> fx.Effect[list[int], fx.ContractViolation | fx.TaskError]:
    return fx.for_each(range(count), lambda n: work(str(log), n, seconds), concurrency=width)


def held_squares(
    log: Path, count: int, width: int = 64
) -> fx.Effect[list[int], fx.ContractViolation | fx.TaskError]:
    """As `squares`; no item ends before `open_gate`."""
    gate = str(_gate(log))
    return fx.for_each(range(count), lambda n: held(str(log), n, gate), concurrency=width)


def open_gate(log: Path) -> None:
    """Let what is held end."""
    _gate(log).touch()


def _gate(log: Path) -> Path:
    return log.with_name(f"{log.name}-gate")
