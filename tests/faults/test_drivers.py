"""Drivers die at every call that they make, are stopped, or are two: on real processes."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from pathlib import Path

import psutil
import pytest

import agentfx as fx
from tests.faults.driver import story
from tests.faults.jobs import times, traced
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(400)]
JOBS = 3
SLOW_START_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


async def driver(
    home: str, run_id: str, log: Path, *death: object, seconds: float = 0.02
) -> Process:
    arguments = map(str, (home, run_id, log, JOBS, seconds, *death))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.driver", *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def busy_driver(home: str, log: Path) -> Process:
    """A driver of run `r` whose jobs have all begun, and take a second."""
    process = await driver(home, "r", log, seconds=1.0)
    await eventually(lambda: len(times(log, "began")) == JOBS, SLOW_START_SECONDS)
    return process


async def attach(cluster: fx.Cluster, log: Path) -> fx.Run[object, object]:
    return await fx.start(story(str(log), JOBS, 1.0), backend=cluster, run_id="r")


async def said(process: Process) -> str:
    out, _ = await process.communicate()
    return out.decode().strip()


async def expected(folder: Path) -> str:
    return str(await fx.run_memory(story(str(folder / "memory"), JOBS, 0.0)))


def ran_once(log: Path) -> None:
    """Workers and services lived, so no job ran twice; a step may, if it was not on record."""
    counts = Counter(entry for entry in traced(log) if not entry.startswith("step"))
    assert set(counts.values()) == {1}
    assert len(counts) == 2 * (JOBS + 1)
    assert max(times(log, "step").values()) <= 2
    assert sum(times(log, "step").values()) <= 3


async def test_a_driver_dies_at_every_call_it_makes(own_home: str, tmp_path: Path) -> None:
    result = await expected(tmp_path)
    async with fx.local(workers=1, slots=JOBS, home=own_home) as cluster:
        for when in ("before", "after"):
            for number in range(1, 50):
                log, run_id = tmp_path / f"{when} {number}", f"{when}-{number}"
                process = await driver(own_home, run_id, log, number, when)
                whole = await said(process)
                if process.returncode == 0:
                    assert whole == result
                    assert number > 8  # open, put, submit twice, due, put, end at least
                    break
                assert process.returncode == -signal.SIGKILL
                program = story(str(log), JOBS, 0.02)
                again = await fx.run_dist(program, backend=cluster, run_id=run_id)
                assert str(again) == result
                ran_once(log)


async def test_a_stopped_driver_is_overtaken_and_gets_the_same_result(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, slots=JOBS, home=own_home) as cluster:
        process = await busy_driver(own_home, log)
        process.send_signal(signal.SIGSTOP)
        try:
            program = story(str(log), JOBS, 1.0)
            # Attached at first; the old one is silent after some seconds, then this one drives.
            exit_ = await fx.run_dist(program, backend=cluster, run_id="r")
        finally:
            process.send_signal(signal.SIGCONT)
        assert str(exit_) == await expected(tmp_path)
        assert await said(process) == str(exit_)
        assert process.returncode == 0
        row = await cluster.request("run::get", {"run": "r"})
        assert row["epoch"] > 1
    ran_once(log)


async def test_two_drivers_of_one_run_share_its_work_and_its_result(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, slots=JOBS, home=own_home) as cluster:
        processes = [await driver(own_home, "r", log, seconds=0.5) for _ in range(2)]
        results = {await said(process) for process in processes}
        assert results == {await expected(tmp_path)}
        assert (await cluster.request("run::get", {"run": "r"}))["epoch"] == 1
    ran_once(log)


async def test_who_is_attached_goes_on_when_the_driver_is_killed(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, slots=JOBS, home=own_home) as cluster:
        process = await busy_driver(own_home, log)
        attached = await attach(cluster, log)
        process.kill()
        assert str(await attached.result()) == await expected(tmp_path)
        await process.wait()
    ran_once(log)


async def test_who_is_attached_hears_of_the_end_though_the_engine_died(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, slots=JOBS, home=own_home) as cluster:
        process = await busy_driver(own_home, log)
        attached = await attach(cluster, log)
        await cluster.kill_engine()
        assert str(await attached.result()) == await said(process) == await expected(tmp_path)
    ran_once(log)


async def test_everything_is_killed_at_once(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, slots=JOBS, home=own_home) as cluster:
        process = await busy_driver(own_home, log)
        supervisor = psutil.Process((await cluster.status())["supervisor"])
        for victim in [*supervisor.children(recursive=True), supervisor]:
            os.kill(victim.pid, signal.SIGKILL)
        process.kill()
        await process.wait()
    async with fx.local(workers=2, slots=JOBS, home=own_home) as cluster:
        exit_ = await fx.run_dist(story(str(log), JOBS, 0.0), backend=cluster, run_id="r")
        assert str(exit_) == await expected(tmp_path)
    assert times(log, "step")["step first"] == 1  # it was on record
    assert max(times(log, "began").values()) == 2


async def test_a_run_whose_engine_is_gone_for_good_says_so(
    own_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentfx.backends._iii.LOST_SECONDS", 0.5)
    log = tmp_path / "log"
    async with fx.local(workers=1, slots=JOBS, home=own_home) as cluster:
        run = await fx.start(story(str(log), JOBS, 60.0), backend=cluster, run_id="r")
        await eventually(lambda: len(times(log, "began")) == JOBS, SLOW_START_SECONDS)
        psutil.Process((await cluster.status())["supervisor"]).kill()
        with pytest.raises(Exception, match="is gone; what is on record is kept"):
            await run.result()
