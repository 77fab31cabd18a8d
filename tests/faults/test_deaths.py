"""Every death survived: real processes, real kills. After each, the result is that in memory."""

import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

import agentfx as fx
from tests.faults.jobs import (
    held_squares,
    lost_items,
    open_gate,
    pay,
    pid_of,
    poison,
    squares,
    struck,
    times,
    traced,
    work,
    work_in_thread,
)
from tests.waiting import eventually, is_alive

pytestmark = [pytest.mark.slow, pytest.mark.faults]


async def _events(run: fx.Run[object, object]) -> list[fx.Event]:
    return [event async for event in run.events()]


async def test_a_killed_worker_loses_nothing(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        await cluster.joined(["w1", "w2"])
        victim = await pid_of(cluster, "w1")
        run = await fx.start(held_squares(log, 12), backend=cluster)
        await eventually(lambda: len(times(log, "began")) == 8)
        await struck(victim)
        open_gate(log)
        assert await run.result() == fx.Ok([n * n for n in range(12)])
        lost = lost_items(await _events(run))
    assert lost
    assert set(times(log, "ended").values()) == {1}
    # What it was given and had not begun yet began once.
    assert {began for began, count in times(log, "began").items() if count > 1} <= lost


async def test_a_worker_killed_by_the_kit_hands_its_jobs_over_at_once(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(held_squares(log, 4), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        await cluster.kill("w1")
        open_gate(log)
        assert await run.result() == fx.Ok([0, 1, 4, 9])
        events = await _events(run)
    moved = [event for event in events if event.type == "job_started" and event.delivery == 2]
    assert moved
    assert {event.worker for event in moved} == {"w2"}


async def test_a_killed_engine_comes_back_and_running_jobs_are_joined(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(squares(log, 16, 0.7), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 8)
        await cluster.kill_engine()
        assert await run.result() == fx.Ok([n * n for n in range(16)])
        events = await _events(run)
    assert any(event.type == "services_restarted" for event in events)
    assert set(times(log, "began").values()) == {1}


async def test_an_engine_killed_again_and_again(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(squares(log, 60, 0.1, width=16), backend=cluster)
        for done in (5, 15, 25, 35):
            await eventually(lambda done=done: len(times(log, "ended")) >= done)  # type: ignore[misc]
            await cluster.kill_engine()
        assert await run.result() == fx.Ok([n * n for n in range(60)])
    assert set(times(log, "began").values()) == {1}


async def test_worker_and_engine_killed_together(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        worker = await pid_of(cluster, "w1")
        run = await fx.start(held_squares(log, 12), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 8)
        os.kill(worker, signal.SIGKILL)
        await cluster.kill_engine()
        await struck(worker)
        open_gate(log)
        assert await run.result() == fx.Ok([n * n for n in range(12)])
    assert set(times(log, "ended").values()) == {1}


async def test_a_stopped_worker_is_silent_and_others_take_over(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home, slots=2) as cluster:
        run = await fx.start(squares(log, 4, 1.5), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        stopped = await pid_of(cluster, "w1")
        os.kill(stopped, signal.SIGSTOP)
        try:
            result = await run.result()
        finally:
            os.kill(stopped, signal.SIGCONT)
        assert result == fx.Ok([0, 1, 4, 9])
        assert any(row["label"] == "w2" for row in await cluster.workers())
        # The late outcomes of the worker that goes on change nothing.
        await eventually(lambda: len(times(log, "ended")) == 4)
        again = await fx.run_dist(squares(log, 4, 1.5), backend=cluster, run_id=run.id)
        assert again == result


async def test_a_stopped_engine_is_killed_and_started_again(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(squares(log, 12, 0.3, width=12), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        os.kill((await cluster.status())["engine"], signal.SIGSTOP)
        assert await run.result() == fx.Ok([n * n for n in range(12)])
    assert set(times(log, "began").values()) == {1}


async def test_an_action_is_never_run_a_second_time(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(pay(str(log), 7, 30.0), backend=cluster)
        await eventually(lambda: traced(log))
        worker = next(row for row in await cluster.workers() if row["running"])
        os.kill(worker["pid"], signal.SIGKILL)
        exit_ = await run.result()
    assert isinstance(exit_, fx.Err)
    assert isinstance(exit_.error, fx.TaskError)
    assert exit_.error.reason == "lost"
    assert "may have completed" in exit_.error.message
    assert traced(log) == ["began 7"]


async def test_an_action_whose_run_was_interrupted_is_not_run_again(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, home=own_home) as cluster:
        running = asyncio.ensure_future(
            fx.run_dist(pay(str(log), 7, 30.0), backend=cluster, run_id="r")
        )
        await eventually(lambda: traced(log))
        running.cancel()
        await asyncio.wait([running])
        exit_ = await fx.run_dist(pay(str(log), 7, 30.0), backend=cluster, run_id="r")
    assert isinstance(exit_, fx.Err)
    assert isinstance(exit_.error, fx.TaskError)
    assert exit_.error.reason == "lost"
    assert traced(log) == ["began 7"]


async def test_an_action_survives_the_engine(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, home=own_home) as cluster:
        run = await fx.start(pay(str(log), 7, 1.0), backend=cluster)
        await eventually(lambda: traced(log))
        await cluster.kill_engine()
        assert await run.result() == fx.Ok(7)
    assert traced(log) == ["began 7", "ended 7"]


async def test_a_poison_job_ends_and_its_neighbours_do_not(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        program = squares(log, 6, 0.2).zip(poison(str(log), 1).either()).zip(squares(log, 3, 0.1))
        beside = await fx.start(squares(log, 20, 0.3), backend=cluster)
        exit_ = await fx.run_dist(program, backend=cluster)
        assert await beside.result() == fx.Ok([n * n for n in range(20)])
        dead = await cluster.request("dead::list", {})
    (first, poisoned), last = exit_.unwrap()
    assert (first, last) == ([n * n for n in range(6)], [0, 1, 4])
    assert isinstance(poisoned, fx.Err)
    assert isinstance(poisoned.error, fx.TaskError)
    assert poisoned.error.reason == "poison"
    assert [row["task"] for row in dead] == [poison.id]
    # Two losses beside other jobs count as one, the ones after that each.
    assert times(log, "began poison")["began poison 1"] in {3, 4}


async def test_no_child_outlives_a_killed_supervisor(own_home: str) -> None:
    async with fx.local(workers=2, home=own_home) as cluster:
        status = await cluster.status()
        supervisor = psutil.Process(status["supervisor"])
        children = supervisor.children(recursive=True)
        assert len(children) >= 4  # fork server, engine, two workers
        supervisor.kill()
        await eventually(lambda: not any(is_alive(child) for child in children))


async def test_a_thread_past_its_limit_takes_its_worker_through_a_restart(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, home=own_home) as cluster:
        before = await pid_of(cluster, "w1")
        task = fx.task("faults::stuck", timeout=0.3)(work_in_thread.local)
        exit_ = await fx.run_dist(task(str(log), 1, 3600.0), backend=cluster)
        assert isinstance(exit_, fx.Err)
        assert exit_.error == fx.TaskError(
            task="faults::stuck", reason="timeout", message="not done within 0.3 s"
        )
        assert await fx.run_dist(work(str(log), 3, 0.0), backend=cluster) == fx.Ok(9)
        await eventually(lambda: not is_alive(before))  # this job may have come before its end
        await cluster.joined(["w1"])
        assert await fx.run_dist(work(str(log), 4, 0.0), backend=cluster) == fx.Ok(16)


async def test_a_drained_worker_finishes_what_it_runs(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(squares(log, 16, 0.5), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 8)
        await cluster.stop("w1")
        assert await run.result() == fx.Ok([n * n for n in range(16)])
        events = await _events(run)
    assert not any(event.type == "job_lost" for event in events)
    assert set(times(log, "began").values()) == {1}


async def test_the_last_user_ends_the_cluster(own_home: str) -> None:
    async with fx.local(workers=1, home=own_home) as first:
        status = await first.status()
        async with fx.local(workers=1, home=own_home) as second:
            assert second.url == first.url
            labels = {row["label"] for row in await second.workers()}
            assert labels == {"w1", "w2"}
        await _gone(first, "w2")
    await eventually(lambda: not is_alive(status["engine"]))


async def _gone(cluster: fx.Cluster, label: str) -> None:
    async with asyncio.timeout(20):
        while any(row["label"] == label for row in await cluster.workers()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
