"""Workers that die, fall silent, lose messages or come back."""

from tests.services.dispatch.kit import (
    DONE,
    TASK,
    Kit,
    Worker,
    block_writer,
    holds,
    job,
    jobs,
    later,
    recorded,
    running,
    start_of,
    turns,
)
from tests.waiting import eventually


async def state(kit: Kit, worker: Worker) -> str | None:
    rows = await kit.call("workers::list")
    return next((row["state"] for row in rows if row["id"] == worker.id), None)


# A worker that dies


async def test_the_jobs_of_a_dead_worker_start_elsewhere_at_once(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await one.die()
    await eventually(lambda: two.starts == [start_of(job(), 2)])
    await two.end(start_of(job(), 2))
    assert await driver.settled() == {job().id: DONE}
    kinds = await kit.kinds()
    assert kinds[2:] == ["job_started", "job_lost", "job_requeued", "job_started", "job_done"]


async def test_a_loss_is_on_record_before_the_job_starts_again(kit: Kit) -> None:
    (one, two), _ = await running(kit)
    release = await block_writer(kit)
    kit.dead.add(one.number)
    one.cut()
    await turns()
    kit.clock.advance(0.0)
    await turns(50)
    assert two.given == []
    release()
    await eventually(lambda: two.starts)
    assert await kit.rows("SELECT shared_losses + lone_losses FROM jobs") == [(1,)]


async def test_finished_jobs_of_a_dead_worker_are_not_run_again(kit: Kit) -> None:
    done, lost = jobs(2)
    (one, two), driver = await running(kit, done, lost)
    await one.end(start_of(done))
    await driver.settled()
    await one.die()
    await eventually(lambda: two.starts == [start_of(lost, 2)])
    await holds(lambda: len(two.given) == 1, kit)


async def test_a_link_that_comes_back_loses_nothing(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    one.cut()
    await kit.passes(3)
    await one.hello()
    await kit.passes(3)
    await one.end(start_of(job()))
    assert await driver.settled() == {job().id: DONE}
    assert two.given == []
    assert "job_lost" not in await kit.kinds()


async def test_what_a_worker_holds_is_not_dropped_while_its_job_is_sent_again(kit: Kit) -> None:
    """The services ended before the job was on record; its driver and its worker are back."""
    driver, one = kit.driver(), Worker(kit, "w1", 4, (TASK,))
    await driver.open()
    ((run_no,),) = await kit.rows("SELECT no FROM runs")
    # On record, and a moment before whoever sent it again takes it up.
    await kit.store.write(lambda t: t.jobs.add(run_no, [job()]))
    one.running[start_of(job())] = {"id": job().id}
    await one.hello()
    await kit.still()
    assert (one.stopped, list(one.running)) == ([], [start_of(job())])


async def test_a_job_whose_record_is_still_to_come_keeps_no_slot(kit: Kit) -> None:
    one, driver = await kit.worker(slots=1), kit.driver()
    await driver.open()
    short, following = jobs(2)
    release = await block_writer(kit)
    submitted = later(driver.submit(short))
    await eventually(lambda: one.starts)
    ended = later(one.end(start_of(short)))
    await turns()
    back = later(one.hello())
    await turns(50)
    release()
    await submitted
    await ended
    await back
    await driver.submit(following)
    await eventually(lambda: start_of(following) in one.given)


async def test_a_worker_that_stays_away_is_lost_after_five_seconds(kit: Kit) -> None:
    (one, two), _ = await running(kit)
    one.cut()
    await kit.passes(5)
    assert two.given == []
    await kit.passes(2)
    await eventually(lambda: two.starts == [start_of(job(), 2)])


async def test_a_worker_of_another_machine_is_lost_with_its_link(kit: Kit) -> None:
    (one, two), _ = await running(kit)
    kit.elsewhere.add(one.number)
    one.cut()
    await kit.passes(0)
    await eventually(lambda: two.starts)


async def test_an_outcome_that_was_under_way_when_the_link_closed_arrives_later(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    kit.host.cut(one.link)
    item = one.running.pop(start_of(job()))
    one.unconfirmed[start_of(job())] = {
        "start": start_of(job()), "job": item["id"], "outcome": '{"ok": "7"}', "ms": 1.0,
    }  # fmt: skip
    await one.hello()
    assert await driver.settled() == {job().id: {"ok": "7"}}
    assert two.given == []


async def test_a_start_that_meets_a_hello_on_the_same_link_is_not_lost(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    worker.loses_starts = True  # it says what it holds before the start has reached it
    await driver.submit(job(), job("2", at_most_once=True))
    await eventually(lambda: len(worker.given) == 2)
    await worker.greet()
    await kit.still()
    assert len(worker.given) == 2
    assert "job_lost" not in await kit.kinds()
    for one in (job(), job("2")):
        await worker.end(start_of(one))
    assert await driver.settled(2) == {job().id: DONE, job("2").id: DONE}


async def test_a_start_that_never_arrived_is_given_again_and_counts_as_no_loss(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    worker.loses_starts = True
    await driver.submit(job())
    await eventually(lambda: len(worker.given) == 1)
    worker.loses_starts = False
    await kit.passes(1)
    assert len(worker.given) == 1  # it may have been on its way while the ping was answered
    await kit.passes(2)
    await eventually(lambda: worker.starts == [start_of(job(), 2)])
    assert await kit.rows("SELECT shared_losses + lone_losses FROM jobs") == [(0,)]


async def test_a_worker_is_told_to_stop_what_nobody_wants(kit: Kit) -> None:
    ended = job("2")
    (one, _), _ = await running(kit, job(), ended)
    await kit.execute("UPDATE jobs SET state = 'cancelled' WHERE path = '2'")
    await kit.restart()
    await one.hello()
    await eventually(lambda: one.stopped == [start_of(ended)])
    assert one.starts == [start_of(job())]


# A worker that says nothing


async def test_a_silent_workers_jobs_get_one_more_copy_after_five_seconds(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.passes(1)
    one.silent = True
    await kit.passes(5)
    assert two.given == []
    await kit.passes(2)
    await eventually(lambda: two.starts == [start_of(job(), 2)])
    await kit.passes(10)
    assert len(two.given) == 1
    assert await state(kit, one) == "silent"
    await two.end(start_of(job(), 2), "copy")
    await one.end(start_of(job()), "late")
    assert await driver.settled() == {job().id: {"ok": '"copy"'}}
    assert await kit.rows("SELECT shared_losses + lone_losses FROM jobs") == [(0,)]


async def test_silence_makes_no_further_copy_while_one_is_heard_of(kit: Kit) -> None:
    (one, two, three), _ = await running(kit, workers=3)
    one.silent = True
    await kit.passes(8)
    await eventually(lambda: two.starts or three.starts)
    copy = two if two.starts else three
    other = three if two.starts else two
    await kit.passes(10)
    assert other.given == []
    copy.silent = True
    await kit.passes(8)
    await eventually(lambda: other.starts == [start_of(job(), 3)])


async def test_a_silent_worker_is_given_nothing_new_until_it_speaks(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    one.silent = True
    await kit.passes(8)
    two.silent = True
    await kit.passes(8)
    await driver.submit(job("2"))
    await holds(lambda: start_of(job("2")) not in [*one.given, *two.given], kit)
    one.silent = False
    await kit.passes(2)
    await eventually(lambda: start_of(job("2")) in one.starts)


async def test_nobody_is_silent_because_the_services_were_paused(kit: Kit) -> None:
    (_, two), _ = await running(kit)
    for _ in range(3):
        kit.clock.advance(20)  # their own tick came late
        await kit.still()
    assert two.given == []
    assert "job_lost" not in await kit.kinds()


async def test_an_action_of_a_silent_worker_is_not_started_again(kit: Kit) -> None:
    (one, two), driver = await running(kit, job(at_most_once=True))
    one.silent = True
    await kit.passes(20)
    assert two.given == []
    await one.end(start_of(job()))
    assert await driver.settled() == {job().id: DONE}


# Actions


async def test_the_start_of_an_action_is_on_record_before_it_is_sent(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await kit.limit_pages(0)
    submitting = later(driver.submit(job(at_most_once=True, label="x" * 10_000)))
    await kit.passes(3)
    assert worker.given == []
    await kit.limit_pages(None)
    await kit.passes(2)
    await submitting
    await eventually(lambda: worker.starts)
    assert await kit.rows("SELECT deliveries, holder FROM jobs") == [(1, worker.id)]


async def test_a_lost_action_is_not_run_again_but_ends_as_lost(kit: Kit) -> None:
    (one, two), driver = await running(kit, job(at_most_once=True))
    await one.die()
    outcome = (await driver.settled(key="dead"))[job().id]
    assert "lost" in outcome["value"]
    assert "may have completed" in outcome["value"]
    await holds(lambda: two.given == [], kit)


async def test_an_action_that_was_cancelled_while_it_ran_is_not_run_again(kit: Kit) -> None:
    (one, two), driver = await running(kit, job(at_most_once=True))
    await driver.ask("run::cancel_jobs", run="r", epoch=1, ids=[job().id])
    await eventually(lambda: one.stopped == [start_of(job())])
    await driver.submit(job(at_most_once=True))  # as when the run is resumed
    outcome = (await driver.settled(key="dead"))[job().id]
    assert "it was cancelled while it ran; it may have completed" in outcome["value"]
    await holds(lambda: (one.starts, two.given) == ([], []), kit)
    assert (await kit.kinds())[-2:] == ["job_cancelled", "job_dead"]


async def test_an_action_that_was_cancelled_before_it_began_runs(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    for _ in range(2):
        await driver.submit(job(at_most_once=True))
        await driver.ask("run::cancel_jobs", run="r", epoch=1, ids=[job().id])
    await driver.submit(job(at_most_once=True))
    worker = await kit.worker()
    await eventually(lambda: worker.starts == [start_of(job())])


# Poison


async def test_a_job_that_loses_its_workers_again_and_again_is_poison(kit: Kit) -> None:
    (worker,), driver = await running(kit, workers=1)
    for _ in range(4):
        assert driver.told("dead") == []
        await worker.die()
        worker = await kit.worker("next")
        await eventually(lambda worker=worker: worker.starts or driver.told("dead"))  # type: ignore[misc]
    outcome = (await driver.settled(key="dead"))[job().id]
    assert "poison" in outcome["value"]
    assert "4 workers were lost while they ran it" in outcome["value"]
    assert worker.given == []
    assert (await kit.kinds())[-1] == "job_dead"


async def test_a_suspect_runs_alone_and_its_neighbours_are_not_blamed(kit: Kit) -> None:
    (worker,), driver = await running(kit, *jobs(4), workers=1)
    poison, neighbours = jobs(4)[0], jobs(4)[1:]
    for _ in range(2):
        await worker.die()
        worker = await kit.worker("next")
        await kit.passes(1)
    # All four are suspects now: each has the worker to itself.
    order: list[str] = []
    while not driver.told("dead"):
        await eventually(lambda worker=worker: worker.starts)  # type: ignore[misc]
        assert len(worker.starts) == 1
        start = worker.starts[0]
        order.append(start.rpartition("/")[0])
        if order[-1] == poison.id:
            await worker.die()
            worker = await kit.worker("next")
        else:
            await worker.end(start)
        await kit.passes(1)
    rest = len(neighbours) - len(driver.told("done"))
    for _ in range(rest):
        await eventually(lambda worker=worker: worker.starts)  # type: ignore[misc]
        await worker.end(worker.starts[0])
        await kit.passes(1)
    assert set(await driver.settled(3)) == {item.id for item in neighbours}
    assert [row[0] for row in driver.told("dead")] == [poison.id]


async def test_kills_that_were_asked_for_count_against_no_job(kit: Kit) -> None:
    (worker,), driver = await running(kit, workers=1)
    for _ in range(5):
        await kit.call("worker::kill_asked", worker=worker.label)
        await worker.die()
        worker = await kit.worker("next")
        await eventually(lambda worker=worker: worker.starts)  # type: ignore[misc]
    await worker.end(worker.starts[0])
    assert await driver.settled() == {job().id: DONE}
    assert await kit.rows("SELECT shared_losses + lone_losses FROM jobs") == [(0,)]


async def test_ten_starts_of_any_kind_are_too_many(kit: Kit) -> None:
    (worker,), driver = await running(kit, workers=1)
    for _ in range(10):
        assert driver.told("dead") == []
        await kit.call("worker::kill_asked", worker=worker.label)
        await worker.die()
        worker = await kit.worker("next")
        await eventually(lambda worker=worker: worker.starts or driver.told("dead"))  # type: ignore[misc]
    outcome = (await driver.settled(key="dead"))[job().id]
    assert "started 10 times without an end" in outcome["value"]
    assert worker.given == []


async def test_losses_are_remembered_across_restarts_of_the_services(kit: Kit) -> None:
    (worker,), driver = await running(kit, workers=1)
    for _ in range(4):
        await worker.die()
        await kit.restart()
        await driver.rejoin()
        await driver.submit(job())
        worker = await kit.worker("next")
        await kit.passes(1)
        await eventually(lambda worker=worker: worker.starts or driver.told("dead"))  # type: ignore[misc]
    assert "poison" in (await driver.settled(key="dead"))[job().id]["value"]


async def test_a_job_that_kills_worker_and_services_together_is_counted(kit: Kit) -> None:
    (worker,), driver = await running(kit, workers=1)
    for number in range(4):
        await recorded(kit)
        kit.dead.add(worker.number)  # nobody is left to see it die
        await kit.restart()
        await driver.rejoin()
        await driver.submit(job())
        worker = await kit.worker("next")
        await kit.passes(1)
        await eventually(lambda worker=worker: worker.starts or driver.told("dead"))  # type: ignore[misc]
        assert await kit.rows("SELECT shared_losses + lone_losses FROM jobs") == [(number + 1,)]
    assert "poison" in (await driver.settled(key="dead"))[job().id]["value"]


# Draining


async def test_a_draining_worker_is_given_nothing_new_and_leaves_without_a_loss(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.call("worker::drain", worker="w1")
    await driver.submit(job("2"))
    await eventually(lambda: two.starts == [start_of(job("2"))])
    assert await state(kit, one) == "draining"
    await one.end(start_of(job()))
    await one.ask("worker::bye")
    assert await state(kit, one) is None
    kinds = [event["type"] for event in await kit.events()]
    assert "worker_left" in kinds
    assert "job_lost" not in kinds
