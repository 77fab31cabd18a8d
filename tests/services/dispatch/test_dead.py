"""Dead letters: parked jobs, not outcomes; what may be redriven is decided in the store."""

from agentfx.jobs import Job
from tests.services.dispatch.kit import DONE, TASK, Driver, Kit, Worker, holds, job, jobs, start_of
from tests.waiting import eventually

WENT_ON = "went on past this failure"


async def opened(kit: Kit) -> tuple[Worker, Driver]:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    return worker, driver


async def kill(worker: Worker, driver: Driver, item: Job, reason: str = "crashed") -> None:
    """Let a job end in a `TaskError`."""
    heard = len(driver.told("dead"))
    await driver.submit(item)
    await eventually(lambda: any(start.startswith(item.id) for start in worker.starts))
    await worker.crash(next(s for s in worker.starts if s.startswith(item.id)), reason)
    await eventually(lambda: len(driver.told("dead")) > heard)


async def passes_by(driver: Driver, item: Job) -> None:
    """The driver goes on past a dead letter, as the run's journal has it."""
    await driver.put(f"{item.path}#{item.attempt}", "error", what=TASK)


async def test_a_crash_parks_the_job_and_tells_the_driver(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    (letter,) = await kit.call("dead::list")
    shown = {name: letter[name] for name in ("id", "run", "task", "reason", "redrivable")}
    assert shown == {
        "id": job().id, "run": "r", "task": TASK, "reason": "crashed", "redrivable": True,
    }  # fmt: skip
    assert (await kit.kinds())[-1] == "job_dead"
    page = await kit.call("run::read", run="r")
    assert [row[5] for row in page["jobs"]] == ["dead"]


async def test_who_watches_a_run_is_told_all_around_it_in_one_answer(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    around = await kit.call("run::around", run="r")
    assert around == {
        "workers": await kit.call("workers::list"), "queues": await kit.call("queues::list"),
        "dead": await kit.call("dead::list"), "waiting": False,
    }  # fmt: skip
    assert around["workers"]
    assert around["queues"]
    assert around["dead"]
    await worker.die()
    await driver.submit(job("2"))
    assert (await kit.call("run::around", run="r"))["waiting"]


async def test_a_redriven_job_of_a_run_that_waits_runs_and_tells_its_outcome(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    answer = await kit.call("dead::redrive", job=job().id)
    assert answer == {"job": job().id, "run": "r", "reopened": False}
    await eventually(lambda: worker.starts == [start_of(job(), 2)])
    await worker.end(start_of(job(), 2))
    assert await driver.settled() == {job().id: DONE}
    assert await kit.call("dead::list") == []
    assert (await kit.kinds())[-3:] == ["job_redriven", "job_started", "job_done"]


async def test_a_redriven_job_starts_with_a_clean_record(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    for _ in range(4):
        await eventually(lambda worker=worker: worker.starts)  # type: ignore[misc]
        await worker.die()
        worker = await kit.worker("next")
    await driver.settled(key="dead")
    await kit.call("dead::redrive", job=job().id)
    await eventually(lambda: worker.starts)
    await worker.die()
    worker = await kit.worker("next")
    await eventually(lambda: worker.starts)
    assert len(driver.told("dead")) == 1


async def test_an_outcome_of_before_a_redrive_no_longer_counts(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await kit.call("dead::redrive", job=job().id)
    await eventually(lambda: worker.starts)
    await worker.crash(start_of(job()))
    await holds(lambda: len(driver.told("dead")) == 1, kit)
    assert worker.starts == [start_of(job(), 2)]
    await worker.end(start_of(job(), 2))
    assert await driver.settled() == {job().id: DONE}


async def test_an_unconfirmed_outcome_of_before_a_redrive_and_a_restart_is_let_go(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    held = dict(worker.unconfirmed)
    await kit.call("dead::redrive", job=job().id)
    await eventually(lambda: worker.starts)
    await kit.restart()
    worker.running.clear()
    worker.unconfirmed = held
    await worker.hello()
    await eventually(lambda: start_of(job()) in [*worker.stopped, *worker.confirmed])
    await eventually(lambda: worker.starts)
    assert await kit.rows("SELECT state FROM jobs") == [("open",)]


async def test_a_run_that_went_on_past_a_failure_is_not_redriven(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await passes_by(driver, job())
    error = await kit.refused("dead::redrive", job=job().id)
    assert (error.code, error.message) == ("run_went_on", f"run r {WENT_ON}")


async def test_no_attempt_that_a_run_went_on_past_is_redriven(kit: Kit) -> None:
    worker, driver = await opened(kit)
    for attempt in (1, 2, 3):
        await kill(worker, driver, job(attempt=attempt))
        await passes_by(driver, job(attempt=attempt))
    for attempt in (1, 2, 3):
        assert (await kit.refused("dead::redrive", job=job(attempt=attempt).id)).code == (
            "run_went_on"
        )
    assert [row["redrivable"] for row in await kit.call("dead::list")] == [False] * 3


async def test_the_last_attempt_that_a_run_waits_for_is_redriven(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job(attempt=1))
    await passes_by(driver, job(attempt=1))
    await kill(worker, driver, job(attempt=2))
    assert not (await kit.call("dead::redrive", job=job(attempt=2).id))["reopened"]


async def test_a_run_that_ended_with_the_failure_is_reopened_and_goes_on(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.put("1", "before")
    items = [job(f"2/{index}", index=index) for index in range(2)]
    await kill(worker, driver, items[1])
    await passes_by(driver, items[1])
    await driver.put("2", "failed", what="for_each")
    await driver.end(ok=False, failed_at="2/1", error="crashed")
    answer = await kit.call("dead::redrive", job=items[1].id)
    assert answer["reopened"]
    assert await kit.status() == "running"
    page = await kit.call("run::read", run="r")
    assert [step[0] for step in page["steps"]] == ["1"]
    assert (await driver.open())["how"] == "resumed"
    await driver.submit(items[1])
    await eventually(lambda: worker.starts)
    await worker.end(worker.starts[0])
    assert items[1].id in await driver.settled()
    await driver.end()
    assert await kit.status() == "done"


async def test_a_run_that_ended_otherwise_is_left_alone(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await passes_by(driver, job())
    await driver.end(ok=True)
    error = await kit.refused("dead::redrive", job=job().id)
    assert error.message == f"run r is done and {WENT_ON}"


async def test_a_letter_that_nobody_has_is_named(kit: Kit) -> None:
    error = await kit.refused("dead::redrive", job="nobody#1")
    assert error.message == "no dead letter nobody#1: `agentfx dlq list` has them"


async def test_a_cancelled_runs_dead_letters_are_not_redriven(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await kit.call("run::cancel", run="r")
    assert (await kit.refused("dead::redrive", job=job().id)).code == "run_went_on"


async def test_a_driver_cannot_go_on_past_a_job_that_was_just_redriven(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await kit.call("dead::redrive", job=job().id)
    step = {"path": "1#1", "what": TASK, "value": "error"}
    error = await driver.refused("run::put", run="r", epoch=1, steps=[step])
    assert (error.code, error.message) == ("redriven", "step 1 is run again: wait for its outcome")
    await worker.end(start_of(job(), 2))
    assert await driver.settled() == {job().id: DONE}


async def test_a_discarded_letter_is_gone_and_its_failure_stays(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await kit.call("dead::discard", job=job().id)
    assert await kit.call("dead::list") == []
    assert (await kit.refused("dead::redrive", job=job().id)).code == "unknown_job"
    assert (await kit.refused("dead::discard", job=job().id)).code == "unknown_job"
    await driver.submit(job())
    await eventually(lambda: driver.told("done"))
    assert "crashed" in driver.told("done")[0][1]


async def test_dead_letters_are_counted_also_when_a_listing_is_cut_short(kit: Kit) -> None:
    worker, driver = await opened(kit)
    for item in jobs(5):
        await kill(worker, driver, item)
    listed = await kit.call("dead::list", limit=2)
    assert [row["id"] for row in listed] == [jobs(5)[0].id, jobs(5)[1].id]
    assert await kit.call("queues::list") == [{"task": TASK, "queued": 0, "running": 0, "dead": 5}]


async def test_dead_letters_go_with_their_runs(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await passes_by(driver, job())
    await driver.end(ok=False)
    await kit.call("runs::prune", keep=0, days=0.0)
    assert await kit.call("dead::list") == []
    assert await kit.call("queues::list") == []


async def test_dead_letters_survive_a_restart(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job())
    await kit.restart()
    assert [row["id"] for row in await kit.call("dead::list")] == [job().id]
    again = await kit.worker("again")
    await kit.call("dead::redrive", job=job().id)
    await kit.passes(7)
    await eventually(lambda: again.starts == [start_of(job(), 2)])


async def test_a_redriven_job_needs_the_code_that_its_author_has_now(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kill(worker, driver, job(code="v1"))
    await kit.call("dead::redrive", job=job().id, code="v2")
    await eventually(lambda: worker.starts == [start_of(job(), 2)])
    assert worker.running[start_of(job(), 2)]["code"] == "v2"
    await kit.call("runs::prune")
    assert kit.kept_code[-1][0] == {"v1", "v2"}
