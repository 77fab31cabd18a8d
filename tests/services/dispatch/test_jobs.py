"""A job's way: submitted, started, ended; and that it has one outcome, which never changes."""

import json

from agentfx.jobs import task_error
from tests.services.dispatch.kit import (
    DONE,
    TASK,
    Driver,
    Kit,
    Worker,
    block_writer,
    holds,
    job,
    jobs,
    later,
    start_of,
    turns,
)
from tests.waiting import eventually


async def opened(kit: Kit, *, slots: int = 4) -> tuple[Worker, Driver]:
    worker, driver = await kit.worker(slots=slots), kit.driver()
    await driver.open()
    return worker, driver


# Submitting


async def test_a_new_job_runs_and_its_outcome_is_pushed(kit: Kit) -> None:
    worker, driver = await opened(kit)
    assert await driver.submit(job()) == 1
    await eventually(lambda: worker.starts == [start_of(job())])
    await worker.end(start_of(job()))
    assert await driver.settled() == {job().id: DONE}
    assert await kit.kinds() == ["run_started", "job_queued", "job_started", "job_done"]


async def test_a_worker_is_given_all_that_a_task_may_ask_for(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job("3/1", index=1, label="page", timeout_seconds=5.0))
    await eventually(lambda: worker.starts)
    (item,) = worker.running.values()
    assert item["id"] == job("3/1").id
    found = {name: item[name] for name in ("run", "task", "input", "key", "attempt", "delivery")}
    assert found == {
        "run": "r", "task": TASK, "input": "{}", "key": job("3/1").id, "attempt": 1, "delivery": 1,
    }  # fmt: skip
    assert item["timeout_seconds"] == 5.0


async def test_an_open_job_that_is_submitted_again_runs_once(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    running, queued = jobs(2)
    await driver.submit(running, queued)
    assert await driver.submit(running, queued) == 0
    await holds(lambda: worker.given == [start_of(running)], kit)
    await worker.end(start_of(running))
    await eventually(lambda: worker.given == [start_of(running), start_of(queued)])
    assert (await kit.kinds()).count("job_queued") == 2


async def test_a_job_that_has_ended_is_not_run_again_its_outcome_is_told_now(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await worker.end(start_of(job()))
    await driver.settled()
    assert await driver.submit(job()) == 0
    await driver.settled(2)
    assert driver.told("done")[0] == driver.told("done")[1]
    assert len(worker.given) == 1


async def test_a_resumed_driver_hears_of_what_ended_meanwhile(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    kit.host.cut(driver.link)
    await worker.end(start_of(job()))
    later = kit.driver("later")
    await later.open()
    await later.submit(job())
    assert await later.settled() == {job().id: DONE}


async def test_jobs_are_told_apart_by_run_path_and_attempt_not_by_their_key(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.open(run="other")
    same_key = [job("1"), job("2"), job("1", attempt=2)]
    await driver.submit(*same_key)
    await driver.submit(job("1", run="other"), run="other")
    await eventually(lambda: len(worker.starts) == 4)
    assert len({start.rpartition("/")[0] for start in worker.given}) == 4


async def test_which_jobs_never_arrived_is_answered_and_ended_ones_are_told(kit: Kit) -> None:
    worker, driver = await opened(kit)
    ended, open_job, lost = jobs(3)
    await driver.submit(ended, open_job)
    await eventually(lambda: len(worker.starts) == 2)
    await worker.end(start_of(ended))
    await driver.settled()
    ids = [ended.id, open_job.id, lost.id]
    assert await driver.ask("run::known", run="r", epoch=1, ids=ids) == [lost.id]
    await driver.settled(2)
    assert [row[0] for row in driver.told("done")] == [ended.id] * 2


async def test_jobs_of_one_tick_reach_a_worker_in_one_message(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=200)
    await driver.submit(*jobs(200))
    await eventually(lambda: len(worker.starts) == 200)
    assert len(worker.generations) == 1


async def test_a_message_to_a_worker_has_at_most_256_jobs(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=300)
    await driver.submit(*jobs(300))
    await eventually(lambda: len(worker.starts) == 300)
    assert len(worker.generations) == 2


async def test_runs_take_turns(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    await driver.open(run="short")
    many, few = jobs(20), [job("1", run="short")]
    await driver.submit(*many)
    await driver.submit(*few, run="short")
    await worker.end(start_of(many[0]))
    await eventually(lambda: len(worker.given) == 2)
    await worker.end(worker.starts[0])
    await eventually(lambda: len(worker.given) == 3)
    assert start_of(few[0]) in worker.given


async def test_a_job_without_a_capable_worker_blocks_nobody(kit: Kit) -> None:
    worker, driver = await opened(kit)
    unserved = [job(f"2/{n}", task="nobody::has_it") for n in range(20)]
    await driver.submit(*unserved)
    await driver.submit(job())
    await eventually(lambda: worker.starts == [start_of(job())])


async def test_a_job_that_waited_for_its_task_starts_when_a_worker_brings_it(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job(task="late::task"))
    await worker.ask("worker::brings", tasks=[{"id": "late::task"}])
    await kit.passes(1)
    await eventually(lambda: worker.starts == [start_of(job())])


# Outcomes


async def test_the_first_outcome_wins_and_a_later_one_changes_nothing(kit: Kit) -> None:
    worker, driver = await opened(kit)
    other = await kit.worker("w2")
    await driver.submit(job())
    await eventually(lambda: worker.starts or other.starts)
    holder = worker if worker.starts else other
    await holder.end(start_of(job()), "first")
    for late in (worker, other):
        await late.end(f"{job().id}/2", "second")
        await late.crash(f"{job().id}/3")
    assert await driver.settled() == {job().id: {"ok": '"first"'}}
    await holds(lambda: len(driver.told("done")) == 1 and not driver.told("dead"), kit)
    assert await kit.rows("SELECT state, outcome FROM jobs") == [("done", '{"ok": "\\"first\\""}')]
    assert (await kit.kinds()).count("job_done") == 1


async def test_every_outcome_is_confirmed_also_one_that_lost(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await worker.end(start_of(job()))
    await worker.end(f"{job().id}/2")
    await eventually(lambda: not worker.unconfirmed)
    assert sorted(worker.confirmed) == [start_of(job()), start_of(job(), 2)]


async def test_an_outcome_is_told_and_confirmed_only_once_it_is_on_record(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await kit.limit_pages(0)
    reporting = worker.end(start_of(job()), "x" * 200_000)
    waiting = later(reporting)
    await kit.passes(3)
    assert driver.told("done") == []
    assert worker.confirmed == []
    await kit.limit_pages(None)
    await kit.passes(2)
    await waiting
    assert len(await driver.settled()) == 1
    await eventually(lambda: worker.confirmed)


async def test_the_slot_of_an_ended_job_is_free_before_its_outcome_is_on_record(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    one, other = jobs(2)
    await driver.submit(one, other)
    await eventually(lambda: worker.starts)
    await kit.limit_pages(0)
    waiting = later(worker.end(start_of(one), "x" * 200_000))
    await eventually(lambda: start_of(other) in worker.starts)
    await kit.limit_pages(None)
    await kit.passes(2)
    await waiting


async def test_a_declared_failure_is_a_result_and_no_dead_letter(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await worker.fail(start_of(job()))
    assert await driver.settled() == {job().id: {"err": "tests:Failed", "value": "{}"}}
    assert await kit.call("dead::list") == []
    assert (await kit.kinds())[-1] == "job_failed"


async def test_a_job_that_has_ended_leaves_the_queue(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    await driver.submit(*jobs(3))
    await eventually(lambda: worker.starts)
    row = {"task": TASK, "queued": 2, "running": 1, "dead": 0}
    assert await kit.call("queues::list") == [row]
    for number in range(3):
        await eventually(lambda: worker.starts)
        await worker.end(start_of(jobs(3)[number]))
    await driver.settled(3)
    assert await kit.call("queues::list") == []
    assert await kit.rows("SELECT count(*) FROM jobs WHERE state = 'open'") == [(0,)]


# Cancelling


async def test_cancelling_a_run_drops_what_waits_and_stops_what_runs(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    running, queued = jobs(2)
    await driver.submit(running, queued)
    await eventually(lambda: worker.starts)
    answer = await kit.call("run::cancel", run="r")
    assert answer == {"status": "cancelled", "cancelled": True, "dropped": 2, "running": 1}
    await eventually(lambda: worker.stopped == [start_of(running)])
    await holds(lambda: worker.given == [start_of(running)], kit)
    assert driver.told("ended") == [["r", "cancelled", None]]
    assert (await kit.kinds()).count("job_cancelled") == 2
    assert (await kit.kinds())[-1] in ("run_ended", "job_cancelled")


async def test_the_late_result_of_a_cancelled_job_loses(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await kit.call("run::cancel", run="r")
    await worker.end(start_of(job()))
    await eventually(lambda: not worker.unconfirmed)
    assert await kit.rows("SELECT state, outcome FROM jobs") == [("cancelled", None)]
    assert driver.told("done") == []


async def test_a_run_is_cancelled_once(kit: Kit) -> None:
    _, driver = await opened(kit)
    await driver.end()
    answer = await kit.call("run::cancel", run="r")
    assert (answer["cancelled"], answer["status"]) == (False, "done")
    assert (await kit.call("run::get", run="r"))["exit"] == "+1"


async def test_a_cancelled_run_takes_no_jobs(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kit.call("run::cancel", run="r")
    await driver.submit(job())
    await eventually(lambda: [row[2] for row in driver.told("refused")] == ["run_ended"])
    await holds(lambda: worker.given == [], kit)


async def test_jobs_that_arrive_while_their_run_is_cancelled_do_not_run(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    blocking, late = jobs(2)
    await driver.submit(blocking)
    await eventually(lambda: worker.starts)
    release = await block_writer(kit)
    cancelling = later(kit.call("run::cancel", run="r"))
    await turns()
    submitting = later(driver.submit(late))
    await turns()
    release()
    await cancelling
    await submitting
    await kit.passes(2)
    assert worker.given == [start_of(blocking)]
    assert await kit.call("queues::list") == []


async def test_the_slot_of_a_cancelled_job_goes_to_the_next_at_once(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    await driver.open(run="next")
    waits = job(run="next")
    await driver.submit(job())
    await driver.submit(waits, run="next")
    await eventually(lambda: worker.starts)
    await kit.call("run::cancel", run="r")
    await eventually(lambda: worker.starts == [start_of(waits)])


async def test_siblings_of_a_failed_item_are_dropped_or_stopped(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=2)
    failed, running, queued = jobs(3)
    await driver.submit(failed, running, queued)
    await eventually(lambda: len(worker.starts) == 2)
    ids = [running.id, queued.id]
    await driver.ask("run::cancel_jobs", run="r", epoch=1, ids=ids)
    await eventually(lambda: worker.stopped == [start_of(running)])
    await worker.fail(start_of(failed))
    await driver.settled()
    await holds(lambda: queued.id not in {s.rpartition("/")[0] for s in worker.given}, kit)
    assert await kit.status() == "running"


async def test_a_dropped_job_that_is_needed_after_all_runs(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await driver.ask("run::cancel_jobs", run="r", epoch=1, ids=[job().id])
    await eventually(lambda: worker.stopped)
    await driver.submit(job())
    await eventually(lambda: len(worker.given) == 2)
    assert worker.given[0] != worker.given[1]  # a start is never used again
    await worker.end(worker.given[1])
    assert await driver.settled() == {job().id: DONE}


async def test_the_end_of_a_run_drops_what_it_left_open(kit: Kit) -> None:
    worker, driver = await opened(kit, slots=1)
    await driver.submit(*jobs(2))
    await eventually(lambda: worker.starts)
    await driver.end()
    await eventually(lambda: worker.stopped)
    assert await kit.call("queues::list") == []


# What a full disk and a busy store do


async def test_jobs_that_started_before_a_full_disk_refused_them_are_not_lost(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await kit.limit_pages(0)
    big = [job(str(n), label="x" * 8000) for n in range(4)]
    submitting = later(driver.submit(*big))
    await eventually(lambda: len(worker.starts) == 4)
    kit.clock.advance(0.5)  # the outcomes are tried again earlier than their jobs
    reports = [later(worker.end(start)) for start in worker.starts]
    await kit.still()
    await kit.limit_pages(None)
    for _ in range(5):
        kit.clock.advance(0.5)
        await kit.still()
    await submitting
    for report in reports:
        await report
    assert set(await driver.settled(4)) == {item.id for item in big}
    assert await kit.rows("SELECT DISTINCT state FROM jobs") == [("done",)]


async def test_a_store_that_is_far_behind_refuses_submits_only(kit: Kit) -> None:
    worker, driver = await opened(kit)
    await driver.submit(job("1"))
    await eventually(lambda: worker.starts)
    release = await block_writer(kit)
    backlog = [kit.store.write(lambda t: None) for _ in range(10_001)]
    error = await driver.refused("run::submit", run="r", epoch=1, jobs="[]", opened=[])
    assert (error.code, error.message) == ("busy", "the store is behind: submit again later")
    reporting = later(worker.end(start_of(job("1"))))
    release()
    await reporting
    for written in backlog:
        await written
    assert await driver.settled() == {job("1").id: DONE}
    await driver.submit(job("2"))
    await eventually(lambda: worker.starts == [start_of(job("2"))])


# Calls from outside


async def test_a_call_of_a_task_by_its_id_runs_on_a_worker(kit: Kit) -> None:
    worker = await kit.worker()
    calling = later(kit.host.call(TASK, {"n": 1}))
    await eventually(lambda: worker.starts)
    (item,) = worker.running.values()
    assert json.loads(item["input"]) == {"n": 1}
    await worker.end(worker.starts[0], 42)
    assert await calling == 42


async def test_a_called_task_runs_elsewhere_when_its_worker_dies(kit: Kit) -> None:
    workers = [await kit.worker("w1"), await kit.worker("w2")]
    calling = later(kit.host.call(TASK, {}))
    await eventually(lambda: any(worker.starts for worker in workers))
    first, second = sorted(workers, key=lambda worker: not worker.starts)
    await first.die()
    await eventually(lambda: second.starts)
    await second.end(second.starts[0], "moved")
    assert await calling == "moved"


async def test_the_failure_of_a_called_task_is_told_by_its_name(kit: Kit) -> None:
    worker = await kit.worker()
    calling = later(kit.host.call(TASK, {}))
    await eventually(lambda: worker.starts)
    await worker.fail(worker.starts[0])
    error = await calling.error()
    assert (error.code, error.message) == ("Failed", "{}")


async def test_tasks_are_functions_while_a_worker_has_them(kit: Kit) -> None:
    one, two = await kit.worker("w1"), await kit.worker("w2")
    assert kit.host.has(TASK)
    await one.die()
    await kit.still()
    assert kit.host.has(TASK)
    await two.die()
    await eventually(lambda: not kit.host.has(TASK))


async def test_an_id_that_another_worker_owns_stays_theirs(kit: Kit) -> None:
    async def theirs(data: object, caller: str | None) -> str:
        return "theirs"

    kit.host.register(kit.host.connect(), TASK, theirs)
    worker, driver = await opened(kit)
    assert await kit.host.call(TASK, {}) == "theirs"
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await worker.die()
    await kit.still()
    assert await kit.host.call(TASK, {}) == "theirs"


def test_an_outcome_of_dispatch_reads_like_that_of_a_worker() -> None:
    wire = json.loads(task_error("t", "poison", "why"))
    assert wire["err"] == "agentfx:TaskError"
    assert json.loads(wire["value"]) == {"task": "t", "reason": "poison", "message": "why"}


async def test_code_of_a_home_goes_to_workers_of_that_home(kit: Kit) -> None:
    here, there = Worker(kit, "w1", 1, []), Worker(kit, "w2", 9, [])
    await here.hello(home="here")
    await there.hello(home="there", loaded=[{"id": TASK}])
    driver = kit.driver()
    await driver.open()
    first, second = jobs(2, code="v1@here")
    await driver.submit(first, second)
    await holds(lambda: (len(here.given), len(there.given)) == (1, 0), kit)
    imports = await kit.worker("w3")  # it has the task without anybody's code
    await eventually(lambda: imports.given == [start_of(second)])
