"""Every death survived on an engine that is not ours: real processes, sockets and kills."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest

import agentfx as fx
from agentfx._clock import SystemClock
from tests.faults.jobs import (
    held_squares,
    lost_items,
    open_gate,
    pay,
    pid_of,
    squares,
    struck,
    times,
    traced,
)
from tests.foreign.conftest import Address
from tests.foreign.process import Cable, ForeignEngine, services
from tests.waiting import eventually, is_alive

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(120)]


def _local(
    address: Address | ForeignEngine, home: str, workers: int = 2, slots: int = 4
) -> fx.local:
    return fx.local(workers, slots=slots, url=address.url, token=address.token, home=home)


async def _services(cluster: fx.Cluster) -> int:
    return int((await cluster.status())["services"])


async def _serving(engine: ForeignEngine) -> None:
    """Wait until the engine has services; a cluster that comes then starts none of its own."""
    async with fx.connect(engine.url, token=engine.token) as backend:
        await backend.connection.served("agentfx::services::info", SystemClock())


async def _events(run: fx.Run[object, object]) -> list[fx.Event]:
    return [event async for event in run.events()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where jobs note that they began and ended."""
    return tmp_path / "log"


def results(count: int) -> fx.Ok[list[int]]:
    return fx.Ok([n * n for n in range(count)])


async def two_moments(cluster: fx.Cluster, log: Path, lives: int = 1) -> AsyncGenerator[None]:
    """Early in a run, and when it is well under way.

    Args:
        cluster: Where it runs.
        log: Where its jobs note what they do.
        lives: How many lives of the services end at each: the second waits for the next one.
    """
    first = await _life(cluster)
    for moment, done in enumerate((1, 9)):
        while await _life(cluster) < first + moment * lives:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await eventually(lambda done=done: len(times(log, "ended")) >= done)  # type: ignore[misc]
        yield


async def _life(cluster: fx.Cluster) -> int:
    return int((await cluster.request("services::info", {}))["generation"])


def assert_joined(log: Path, events: list[fx.Event]) -> None:
    # But a worker that took longer to come back than it is waited for has lost its jobs.
    again = {began for began, count in times(log, "began").items() if count > 1}
    assert again <= lost_items(events)


async def test_a_killed_worker_loses_nothing(unserved: Address, own_home: str, log: Path) -> None:
    async with _local(unserved, own_home) as cluster:
        await cluster.joined(["w1", "w2"])
        victim = await pid_of(cluster, "w1")
        run = await fx.start(held_squares(log, 12), backend=cluster)
        await eventually(lambda: len(times(log, "began")) == 8)
        await struck(victim)
        open_gate(log)
        assert await run.result() == results(12)
        lost = lost_items(await _events(run))
    assert lost
    assert set(times(log, "ended").values()) == {1}
    # What it was given and had not begun yet began once.
    assert {began for began, count in times(log, "began").items() if count > 1} <= lost


async def test_killed_services_come_back_and_running_jobs_are_joined(
    unserved: Address, own_home: str, log: Path
) -> None:
    async with _local(unserved, own_home) as cluster:
        run = await fx.start(squares(log, 24, 0.4), backend=cluster)
        async for _ in two_moments(cluster, log):
            os.kill(await _services(cluster), signal.SIGKILL)
        assert await run.result() == results(24)
        events = await _events(run)
    assert [event.type for event in events].count("services_restarted") == 2
    assert_joined(log, events)


async def test_stopped_services_are_killed_and_started_again(
    unserved: Address, own_home: str, log: Path
) -> None:
    async with _local(unserved, own_home) as cluster:
        run = await fx.start(squares(log, 12, 0.3, width=12), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        os.kill(await _services(cluster), signal.SIGSTOP)
        assert await run.result() == results(12)
    assert set(times(log, "began").values()) == {1}


async def test_worker_and_services_killed_together(
    unserved: Address, own_home: str, log: Path
) -> None:
    async with _local(unserved, own_home) as cluster:
        worker, ours = await pid_of(cluster, "w1"), await _services(cluster)
        run = await fx.start(held_squares(log, 12), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 8)
        os.kill(ours, signal.SIGKILL)
        await struck(worker)
        open_gate(log)
        assert await run.result() == results(12)
    assert set(times(log, "ended").values()) == {1}


async def test_an_action_survives_the_services(unserved: Address, own_home: str, log: Path) -> None:
    async with _local(unserved, own_home, workers=1) as cluster:
        run = await fx.start(pay(str(log), 7, 1.0), backend=cluster)
        await eventually(lambda: traced(log))
        os.kill(await _services(cluster), signal.SIGKILL)
        assert await run.result() == fx.Ok(7)
    assert traced(log) == ["began 7", "ended 7"]


async def test_a_stopped_worker_is_silent_and_others_take_over(
    unserved: Address, own_home: str, log: Path
) -> None:
    async with _local(unserved, own_home, slots=2) as cluster:
        run = await fx.start(squares(log, 4, 1.0), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        stopped = await pid_of(cluster, "w1")
        os.kill(stopped, signal.SIGSTOP)
        try:
            assert await run.result() == results(4)
        finally:
            os.kill(stopped, signal.SIGCONT)


async def test_everything_killed_at_once(unserved: Address, own_home: str, log: Path) -> None:
    async with _local(unserved, own_home) as cluster:
        run = await fx.start(squares(log, 12, 0.3, width=4), backend=cluster, run_id="whole")
        await eventually(lambda: len(times(log, "ended")) >= 5)
        supervisor = psutil.Process((await cluster.status())["supervisor"])
        left = supervisor.children(recursive=True)
        supervisor.kill()
        await eventually(lambda: not any(is_alive(child) for child in left))
        run._task.cancel()  # as if this driver were gone, too
    done = set(times(log, "ended"))
    async with _local(unserved, own_home) as cluster:
        program = squares(log, 12, 0.3, width=4)
        again = await fx.run_dist(program, backend=cluster, run_id="whole")
    assert again == results(12)
    # What had ended was on record, but for what ended just then.
    assert sum(times(log, "began")[f"began {entry.split()[1]}"] > 1 for entry in done) <= 8


async def test_a_killed_engine_comes_back_and_running_jobs_are_joined(
    engine: ForeignEngine, own_home: str, log: Path
) -> None:
    async with _local(engine, own_home) as cluster:
        run = await fx.start(squares(log, 24, 0.5), backend=cluster)
        async for _ in two_moments(cluster, log):
            engine.end()
            await engine.up()
        assert await run.result() == results(24)
        events = await _events(run)
    assert [event.type for event in events].count("services_restarted") == 2
    assert_joined(log, events)


async def test_engine_worker_and_services_killed_together(
    engine: ForeignEngine, own_home: str, log: Path
) -> None:
    async with _local(engine, own_home) as cluster:
        run = await fx.start(held_squares(log, 12), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 8)
        worker, ours = await pid_of(cluster, "w1"), await _services(cluster)
        engine.end()
        os.kill(ours, signal.SIGKILL)
        await struck(worker)
        open_gate(log)
        await engine.up()
        assert await run.result() == results(12)
    assert set(times(log, "ended").values()) == {1}


async def test_a_cut_cable_of_the_services_is_a_restart(
    engine: ForeignEngine, own_home: str, log: Path
) -> None:
    async with Cable(engine.port) as cable:
        ours = services(cable.url, engine.token, log.with_name("services"))
        ours.start()
        try:
            await _serving(engine)
            async with _local(engine, own_home) as cluster:
                run = await fx.start(squares(log, 24, 0.4), backend=cluster)
                async for _ in two_moments(cluster, log):
                    cable.cut()
                assert await run.result() == results(24)
                events = await _events(run)
        finally:
            ours.end()
    assert [event.type for event in events].count("services_restarted") == 2
    assert_joined(log, events)


async def test_a_cut_cable_of_driver_and_worker_loses_nothing(
    engine: ForeignEngine, own_home: str, log: Path
) -> None:
    ours = services(engine.url, engine.token, log.with_name("services"))
    ours.start()
    try:
        await _serving(engine)
        async with Cable(engine.port) as cable:
            far = Address(cable.url, engine.token)
            async with _local(far, own_home) as cluster:
                run = await fx.start(squares(log, 24, 0.4), backend=cluster)
                async for _ in two_moments(cluster, log, lives=0):
                    cable.cut()
                assert await run.result() == results(24)
    finally:
        ours.end()
    assert set(times(log, "began").values()) == {1}


async def test_services_that_stop_let_a_run_wait(
    engine: ForeignEngine, own_home: str, log: Path
) -> None:
    ours = services(engine.url, engine.token, log.with_name("services"))
    ours.start()
    try:
        await _serving(engine)
        async with _local(engine, own_home) as cluster:
            run = await fx.start(squares(log, 12, 0.3), backend=cluster)
            await eventually(lambda: len(traced(log)) >= 8)
            ours.send(signal.SIGTERM)
            assert await ours.ended() == 0
            waiting = asyncio.ensure_future(run.result())
            ours.start()
            assert await waiting == results(12)
    finally:
        ours.end()
    assert set(times(log, "began").values()) == {1}
