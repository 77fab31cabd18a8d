"""Services that start again on their store, while workers hold what they were given."""

import pytest

from tests.services.dispatch.kit import (
    DONE,
    TASK,
    Kit,
    block_writer,
    job,
    jobs,
    later,
    recorded,
    running,
    start_of,
    turns,
)
from tests.waiting import eventually


async def test_running_jobs_are_joined_not_started_twice(kit: Kit) -> None:
    (one, two), driver = await running(kit, *jobs(3))
    await recorded(kit)
    await kit.restart()
    await driver.rejoin()
    await two.hello()
    await kit.passes(1)
    assert two.given == []  # nothing starts before the holder is back or gone
    await one.hello()
    await kit.passes(2)
    assert (len(one.given), two.given) == (3, [])
    for start in one.starts:
        await one.end(start)
    assert len(await driver.settled(3)) == 3


async def test_a_job_that_ended_while_there_were_no_services_is_not_run_again(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.restart()
    item = one.running.pop(start_of(job()))
    one.unconfirmed[start_of(job())] = {
        "start": start_of(job()), "job": item["id"], "outcome": '{"ok": "7"}', "ms": 1.0,
    }  # fmt: skip
    await driver.rejoin()
    await two.hello()
    await one.hello()
    assert await driver.settled() == {job().id: {"ok": "7"}}
    assert two.given == []


async def test_a_restart_waits_five_seconds_for_a_holder_that_may_still_live(kit: Kit) -> None:
    (_, two), _ = await running(kit)
    await recorded(kit)
    await kit.restart()
    await two.hello()
    await kit.passes(5)
    assert two.given == []
    await kit.passes(2)
    await eventually(lambda: two.starts == [start_of(job(), 2)])


async def test_a_restart_does_not_wait_for_a_holder_that_is_known_to_be_dead(kit: Kit) -> None:
    (one, two), _ = await running(kit)
    await recorded(kit)
    kit.dead.add(one.number)
    await kit.restart()
    await two.hello()
    await eventually(lambda: two.starts == [start_of(job(), 2)])


async def test_queued_jobs_survive_a_restart_in_their_order(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    await driver.submit(*jobs(6))
    await kit.restart()
    worker = await kit.worker(slots=6)
    await eventually(lambda: len(worker.given) == 6)
    assert worker.given == [start_of(item) for item in jobs(6)]


async def test_a_start_that_was_not_on_record_is_found_at_its_holder(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.execute("UPDATE jobs SET deliveries = 0, holder = NULL")
    await kit.restart()
    await driver.rejoin()
    await one.hello()
    await two.hello()
    await kit.passes(3)
    assert (one.given, two.given) == ([start_of(job())], [])
    await one.end(start_of(job()))
    assert await driver.settled() == {job().id: DONE}


async def test_a_job_whose_own_record_was_lost_is_found_at_its_holder(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.execute("DELETE FROM jobs")  # as if it had been started while it was written
    await kit.restart()
    await driver.rejoin()
    await one.hello()
    await two.hello()
    await kit.passes(3)
    assert (one.stopped, one.starts) == ([], [start_of(job())])
    await driver.submit(job())
    await kit.passes(3)
    assert (one.given, two.given) == ([start_of(job())], [])
    await one.end(start_of(job()))
    assert await driver.settled() == {job().id: DONE}


async def test_the_outcome_of_such_a_job_waits_for_its_record(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.execute("DELETE FROM jobs")
    await kit.restart()
    await driver.rejoin()
    await one.hello()
    await two.hello()
    await one.end(start_of(job()))
    await kit.passes(3)
    assert (list(one.unconfirmed), one.confirmed) == ([start_of(job())], [])
    await driver.submit(job())
    await one.tell(one.unconfirmed.values())  # said again
    assert await driver.settled() == {job().id: DONE}
    assert (one.given, two.given) == ([start_of(job())], [])


async def test_such_an_outcome_is_kept_though_it_is_said_before_the_hello(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    await kit.execute("DELETE FROM jobs")
    await kit.restart()
    await driver.rejoin()
    one.link = kit.host.connect()
    kit.host.register(one.link, f"agentfx::exec::{one.id}", one.hear)
    await one.end(start_of(job()))
    await one.hello()
    await two.hello()
    await driver.submit(job("2"), job("3"), job("4"))  # a confirmation would go along
    await eventually(lambda: one.starts)
    assert (list(one.unconfirmed), one.confirmed) == ([start_of(job())], [])
    await driver.submit(job())
    await one.tell(one.unconfirmed.values())  # said again
    assert await driver.settled() == {job().id: DONE}
    assert [*one.given, *two.given].count(start_of(job())) == 1


@pytest.mark.parametrize("greeted", [True, False])
async def test_an_outcome_that_comes_while_its_job_is_sent_again_counts(
    kit: Kit, greeted: bool
) -> None:
    (one, two), driver = await running(kit)
    await kit.execute("DELETE FROM jobs")
    await kit.restart()
    await driver.rejoin()
    await two.hello()
    one.link = kit.host.connect()
    kit.host.register(one.link, f"agentfx::exec::{one.id}", one.hear)
    if greeted:
        await one.hello()
        await kit.still()
    release = await block_writer(kit)
    submitting = later(driver.submit(job()))
    await turns()
    reporting = later(one.end(start_of(job())))
    await turns()
    release()
    await submitting
    await reporting
    if not greeted:
        await one.hello()
    await one.tell(one.unconfirmed.values())  # said again
    assert await driver.settled() == {job().id: DONE}
    await kit.passes(4)
    assert (one.given, two.given) == ([start_of(job())], [])
    await eventually(lambda: not one.unconfirmed)  # a confirmation waits for company


async def test_the_roster_forgets_who_left(kit: Kit) -> None:
    one, two = await kit.worker("w1"), await kit.worker("w2")
    await one.ask("worker::bye")
    await two.die()
    await eventually(lambda: not kit.host.has(TASK))
    await kit.still()
    assert await kit.rows("SELECT * FROM workers") == []
