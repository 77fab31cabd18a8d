"""Tasks that leave a trace of every execution, for tests that kill what runs them."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import agentfx as fx


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


def lost_items(events: Iterable[fx.Event]) -> set[str]:
    """The entries that lost jobs of `squares` have left: `began <item>`."""
    paths = [event.path for event in events if event.type == "job_lost"]
    return {f"began {path.split('/')[1]}" for path in paths if path is not None}


def squares(
    log: Path, count: int, seconds: float, width: int = 64
) -> fx.Effect[list[int], fx.ContractViolation | fx.TaskError]:
    return fx.for_each(range(count), lambda n: work(str(log), n, seconds), concurrency=width)
