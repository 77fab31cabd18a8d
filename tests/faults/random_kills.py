"""Runs under way while workers, engine and drivers are killed and stopped at random.

After each round every result is that of the run in memory, and no job was started after its end
was on record.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

import agentfx as fx
from tests.faults.driver import story
from tests.waiting import eventually, is_alive

ROOT = Path(__file__).parents[2]
JOBS, SECONDS = 12, 0.4
LONGEST_PAUSE = 1.0
STOPPED_SECONDS = 6.0
TARGETS = ["worker"] * 5 + ["engine"] * 4 + ["driver"] * 3 + ["worker and engine"] * 2
RARE = ["stopped worker", "stopped engine", "everything"]
RARE_EVERY = 20
BEGIN_SECONDS = 90.0


class WrongError(AssertionError):
    """A promise is broken."""


@dataclass
class Kills:
    """What was struck, and how many runs came to their end all the same."""

    struck: Counter[str] = field(default_factory=Counter[str])
    runs: int = 0
    jobs: int = 0
    started_again: int = 0

    def __str__(self) -> str:
        return (
            f"{sum(self.struck.values())} ({dict(self.struck)}); {self.runs} runs of "
            f"{self.jobs} jobs ended as in memory; {self.started_again} starts after a loss"
        )


async def kill_at_random(folder: Path, count: int, chance: Random) -> Kills:
    """Strike so many times, at processes of a cluster in a folder.

    Raises:
        WrongError: A promise is broken.
    """
    found = Kills()
    expected = str(await fx.run_memory(story(str(folder / "memory"), JOBS, 0.0)))
    while sum(found.struck.values()) < count:
        async with fx.local(workers=2, home=str(folder / "home")) as cluster:
            over = False
            while not over and sum(found.struck.values()) < count:
                over = await _round(cluster, folder, expected, chance, found)
    return found


async def _round(
    cluster: fx.Cluster, folder: Path, expected: str, chance: Random, found: Kills
) -> bool:
    """One run, struck until it ends; whether the cluster is dead."""
    run_id = f"r{found.runs}"
    log = folder / run_id
    driver: asyncio.subprocess.Process | None = None
    everything = False
    for _ in range(chance.randint(2, 6)):
        if driver is None:
            driver = await _driver(cluster, run_id, log)
        await eventually(log.exists, BEGIN_SECONDS)  # strike what is under way
        try:
            async with asyncio.timeout(chance.random() * LONGEST_PAUSE):
                await driver.wait()
            break
        except TimeoutError:
            target = _target(chance, found)
        found.struck[target] += 1
        await _strike(cluster, target, chance, driver)
        if target in ("driver", "everything"):
            await driver.wait()
            driver = None
        if target == "everything":
            everything = True
            break
    if everything:
        async with fx.local(workers=2, home=str(folder / "home")) as again:
            await _finish(again, run_id, log, expected, driver, found)
    else:
        await _finish(cluster, run_id, log, expected, driver, found)
    return everything


def _target(chance: Random, found: Kills) -> str:
    rare = (sum(found.struck.values()) + 1) % RARE_EVERY == 0
    return chance.choice(RARE if rare else TARGETS)


async def _driver(cluster: fx.Cluster, run_id: str, log: Path) -> asyncio.subprocess.Process:
    assert cluster.found.home is not None
    arguments = map(str, (cluster.found.home.path, run_id, log, JOBS, SECONDS))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.driver", *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _strike(
    cluster: fx.Cluster, target: str, chance: Random, driver: asyncio.subprocess.Process
) -> None:
    pids, status = await cluster.processes(), await cluster.status()
    engine, worker = int(status["engine"]), pids[chance.choice(sorted(pids))]
    match target:
        case "worker":
            _signal(worker, signal.SIGKILL)
        case "engine":
            _signal(engine, signal.SIGKILL)
        case "worker and engine":
            _signal(worker, signal.SIGKILL)
            _signal(engine, signal.SIGKILL)
        case "driver":
            _signal(driver.pid, signal.SIGKILL)
        case "stopped worker":
            await _stop_for(worker, STOPPED_SECONDS)
        case "stopped engine":
            await _stop_for(engine, STOPPED_SECONDS / 3)
        case _:
            supervisor = psutil.Process(status["supervisor"])
            children = supervisor.children(recursive=True)
            for victim in [supervisor, *children]:
                _signal(victim.pid, signal.SIGKILL)
            _signal(driver.pid, signal.SIGKILL)
            await eventually(lambda: not any(is_alive(child) for child in children))


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it was about to be started again


async def _stop_for(pid: int, seconds: float) -> None:
    _signal(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        _signal(pid, signal.SIGCONT)


async def _finish(
    cluster: fx.Cluster,
    run_id: str,
    log: Path,
    expected: str,
    driver: asyncio.subprocess.Process | None,
    found: Kills,
) -> None:
    """Let the run end, and look at it."""
    driver = driver or await _driver(cluster, run_id, log)
    out, _ = await driver.communicate()
    result = out.decode().strip()
    if result != expected and not _may_be_lost(result):
        raise WrongError(f"run {run_id} ended as {result}, in memory it is {expected}")
    ended: set[Any] = set()
    rows = await cluster.request("run::events", {"run": run_id, "limit": 5000})
    for row in rows:
        if row["type"] == "job_started":
            if row["job"] in ended:
                raise WrongError(f"{row['job']} of run {run_id} was started after its end")
            found.started_again += row["delivery"] > 1
        elif row["type"] in ("job_done", "job_dead"):
            if row["job"] in ended:
                raise WrongError(f"{row['job']} of run {run_id} ended twice")
            ended.add(row["job"])
    found.runs += 1
    found.jobs += len(ended)


def _may_be_lost(result: str) -> bool:
    """The one action of the story is not run again when its worker dies."""
    return "reason='lost'" in result and "faults::pay" in result
