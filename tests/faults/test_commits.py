"""The engine dies before and after each commit of a job's way, workers at each step of theirs."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import agentfx as fx
from agentfx.interpreters import BackendError
from tests.faults.arming import Armed, armed_cluster
from tests.faults.jobs import (
    broken,
    held_squares,
    open_gate,
    pay,
    squares,
    step,
    struck,
    times,
    traced,
    work,
)
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(400)]
WHENS = ("before", "after")
JOBS = 4

OF_A_RUN = (
    "Runs.open",
    "Runs.put",
    "Runs.submit",
    "Core.flush",
    "Core._record_then_do",
    "Workers.outcomes",
    "Runs.end",
)
"""In the order in which a run comes to them; `Core` has starts: of tasks, and of the action."""
LOST = ("Core._record_then_do", "after")
"""An action's start is on record, and was never sent: it may have been, so it is not run again."""
PAY_LOST = fx.Err(
    fx.TaskError(
        task=pay.id,
        reason="lost",
        message="its worker was lost; it may have completed, and is not run again",
    ),
    "3",
)
OF_A_WORKER = ("Executor.start", "_Worker._report", "Executor.confirm")


@fx.do
def order(log: str, tag: str) -> fx.Do[list[Any], Any]:
    first = yield from fx.attempt(lambda: step(log, f"{tag} first"), returns=int)
    squares = yield from fx.for_each(range(JOBS), lambda n: work(log, n, 0.05), concurrency=JOBS)
    paid = yield from pay(log, 7, 0.05)
    second = yield from fx.attempt(lambda: step(log, f"{tag} second"), returns=int)
    return [first, squares, paid, second]


async def expected(folder: Path) -> fx.Exit[list[Any], Any]:
    """The exit of the run in memory."""
    return await fx.run_memory(order(str(folder / "memory"), "memory"))


async def done_once(run: fx.Run[Any, Any]) -> None:
    """What is on record of a run: each job came to one end, and was not started after it."""
    events = [event async for event in run.events()]
    ended: Counter[str] = Counter()
    for event in events:
        if event.type == "job_started":
            assert not ended[str(event.job)], f"{event.job} was started after its end"
        elif event.type in ("job_done", "job_failed", "job_dead"):
            ended[str(event.job)] += 1
    assert set(ended.values()) == {1}
    assert len(ended) == JOBS + 1
    assert [event.type for event in events].count("run_ended") == 1


async def test_the_engine_dies_at_every_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = await expected(tmp_path)
    async with armed_cluster(tmp_path, monkeypatch) as armed:
        for point in OF_A_RUN:
            for when in WHENS:
                log = tmp_path / f"{point} {when}"
                armed.arm(point, when)
                run = await fx.start(order(str(log), point), backend=armed.cluster)
                exit_ = await run.result()
                await armed.dead()
                await done_once(run)
                # Workers and driver lived: what they had done, or were doing, was not done again.
                assert set(Counter(traced(log)).values()) == {1}, (point, when)
                if (point, when) == LOST:
                    assert exit_ == PAY_LOST
                    assert "began 7" not in traced(log)
                else:
                    assert exit_ == result, (point, when)
                    assert len(traced(log)) == 2 * (JOBS + 1) + 2


@pytest.mark.parametrize("when", WHENS)
async def test_the_engine_dies_while_it_records_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    log = tmp_path / "log"
    async with armed_cluster(tmp_path, monkeypatch) as armed:
        run = await fx.start(held_squares(log, 8), backend=armed.cluster)
        await eventually(lambda: len(times(log, "began")) == 8)
        workers = await armed.cluster.workers()
        victim = next(row for row in workers if row["label"] == "w1")
        held = len(victim["running"])
        armed.arm("Core._record_then_do", when)
        await struck(victim["pid"])
        await armed.dead()
        open_gate(log)
        assert await run.result() == fx.Ok([n * n for n in range(8)])
    assert set(times(log, "ended").values()) == {1}
    assert sum(times(log, "began").values()) == 8 + held


async def test_a_worker_dies_at_every_step_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with armed_cluster(tmp_path, monkeypatch) as armed:
        for point in OF_A_WORKER:
            for when in WHENS:
                log = tmp_path / f"{point} {when}"
                armed.arm(point, when)
                run = await fx.start(squares(log, JOBS, 0.05), backend=armed.cluster)
                assert await run.result() == fx.Ok([n * n for n in range(JOBS)])
                if point != "Executor.confirm":
                    await armed.dead()  # a confirmation rides on a later message
                await _never_after_its_end(run)
                began, ended = times(log, "began"), times(log, "ended")
                assert set(began) == {f"began {n}" for n in range(JOBS)}
                if point == "Executor.start":
                    assert set(ended.values()) == {1}, (point, when)
                # At least once: what ended and was not on record ran a second time, not a third.
                assert max(began.values()) <= 2, (point, when)
                await armed.dead()
                await armed.all_there()


async def _never_after_its_end(run: fx.Run[Any, Any]) -> None:
    ended: set[str | None] = set()
    async for event in run.events():
        assert event.type != "job_started" or event.job not in ended
        if event.type == "job_done":
            assert event.job not in ended
            ended.add(event.job)


async def _dead_letter(armed: Armed, mended: Path) -> tuple[fx.Run[Any, Any], str]:
    run = await fx.start(broken(str(mended)), backend=armed.cluster)
    assert isinstance(await run.result(), fx.Err)
    (row,) = [row for row in await armed.cluster.request("dead::list", {}) if row["run"] == run.id]
    return run, row["id"]


async def test_the_engine_dies_while_a_dead_letter_is_redriven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with armed_cluster(tmp_path, monkeypatch) as armed:
        for when in WHENS:
            mended = tmp_path / f"mended {when}"
            run, letter = await _dead_letter(armed, mended)
            mended.write_text("")
            armed.arm("DeadLetters.redrive", when)
            try:
                await armed.cluster.request("dead::redrive", {"job": letter})
            except BackendError as error:
                if when == "before" or "no dead letter" not in str(error):
                    raise  # after: it was asked again, and is no dead letter any more
            await armed.dead()
            again = await fx.run_dist(broken(str(mended)), backend=armed.cluster, run_id=run.id)
            assert again == fx.Ok("mended")


async def test_the_engine_dies_while_a_run_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with armed_cluster(tmp_path, monkeypatch, slots=1) as armed:
        for when in WHENS:
            log = tmp_path / f"log {when}"
            run = await fx.start(squares(log, 4, 60.0), backend=armed.cluster)
            await eventually(partial(_began, log, 2))
            armed.arm("Runs.cancel", when)
            await run.cancel()
            await armed.dead()
            with pytest.raises(fx.RunCancelledError):
                await run.result()
            assert await run.status() == "cancelled"
            await _idle(armed)
            assert len(traced(log)) == 2  # what waited never began, what ran never ended


def _began(log: Path, count: int) -> bool:
    return len(traced(log)) == count


async def _idle(armed: Armed) -> None:
    async def running() -> int:
        return sum(len(row["running"]) for row in await armed.cluster.workers())

    while await running():
        await armed.all_there()
