"""What is kept, and for how long; a run takes all that belongs to it along."""

import asyncio
from asyncio import Event

import pytest

from agentfx.jobs import SHARED_FENCES, Job, fence_scope, identity_of
from tests.services.dispatch.kit import Driver, Kit, Worker, holds, job, jobs, start_of
from tests.waiting import eventually

DAY = 86_400.0


async def ended(kit: Kit, *names: str) -> None:
    """Runs that have ended, with a step, a job and events each."""
    worker, driver = await kit.worker(), kit.driver()
    for name in names:
        await driver.open(run=name)
        await driver.put("1", "v", run=name)
        item = job("2", run=name)
        await driver.submit(item, run=name)
        await eventually(lambda: worker.starts)
        await worker.end(start_of(item))
        await eventually(lambda item=item: item.id in dict(driver.told("done")))  # type: ignore[misc]
        await driver.end(run=name)
    await worker.ask("worker::bye")


async def names(kit: Kit) -> list[str]:
    return [row["id"] for row in await kit.call("runs::list")]


async def test_runs_beyond_a_number_go_oldest_first(kit: Kit) -> None:
    await ended(kit, "a", "b", "c")
    assert await kit.call("runs::prune", keep=2, days=7.0) == 1
    assert await names(kit) == ["c", "b"]


async def test_runs_that_ended_long_ago_go(kit: Kit) -> None:
    await ended(kit, "old")
    kit.clock.advance(8 * DAY)
    await ended(kit, "new")
    assert await kit.call("runs::prune") == 1
    assert await names(kit) == ["new"]


async def test_a_run_takes_its_steps_jobs_and_events_along(kit: Kit) -> None:
    await ended(kit, "a", "b")
    await kit.call("runs::prune", keep=1)
    for table in ("steps", "jobs"):
        assert await kit.rows(f"SELECT count(*) FROM {table}") == [(1,)]  # noqa: S608
    assert len(await kit.rows("SELECT DISTINCT run_no FROM events WHERE run_no != 0")) == 1


async def test_a_run_takes_the_fences_of_its_streams_along(kit: Kit) -> None:
    """Also those of a stream whose driver died; a fence with a name outlives every run."""
    await ended(kit, "a", "b")
    scopes = [fence_scope(identity_of("a", 0)), fence_scope(identity_of("b", 0)), SHARED_FENCES]
    await kit.execute(
        *(f"INSERT INTO state VALUES ('{scope}', '1/1', x'7b7d', 1)" for scope in scopes)  # noqa: S608
    )
    await kit.call("runs::prune", keep=1)
    left = await kit.rows("SELECT scope FROM state")
    assert {scope for (scope,) in left} == set(scopes[1:])
    await kit.driver().open(run="b", fresh=True)  # its next life has fences of its own
    assert await kit.rows("SELECT scope FROM state") == [(SHARED_FENCES,)]


async def test_a_run_that_has_not_ended_is_never_deleted(kit: Kit) -> None:
    await kit.driver().open()
    kit.clock.advance(100 * DAY)
    assert await kit.call("runs::prune", keep=0, days=0.0) == 0
    assert await names(kit) == ["r"]


async def test_a_pruned_id_is_new_again(kit: Kit) -> None:
    await ended(kit, "a")
    await kit.call("runs::prune", keep=0)
    assert (await kit.driver("later").open(run="a", fingerprint="other"))["how"] == "new"


async def test_services_prune_when_they_start(kit: Kit) -> None:
    await ended(kit, "old")
    await kit.driver("d2").open(run="open")
    kit.clock.advance(8 * DAY)
    await kit.restart()
    assert await names(kit) == ["open"]


async def test_services_keep_the_last_thousand_runs(kit: Kit) -> None:
    await kit.execute(
        *(
            "INSERT INTO runs (id, fingerprint, epoch, driver, status, started_at, ended_at) "  # noqa: S608
            f"VALUES ('run{n}', 'f', 1, '', 'done', 0, {kit.clock.wall()})"
            for n in range(1005)
        )
    )
    await kit.restart()
    found = await names(kit)
    assert (len(found), found[0], found[-1]) == (1000, "run1004", "run5")


async def test_events_of_workers_go_when_they_are_old(kit: Kit) -> None:
    for _ in range(3):
        worker = await kit.worker()
        await worker.ask("worker::bye")
    kit.clock.advance(8 * DAY)
    await kit.restart()
    kinds = await kit.rows("SELECT type FROM events WHERE run_no = 0")
    assert kinds == [("services_restarted",)]


async def test_services_do_not_remember_what_has_ended(kit: Kit) -> None:
    await ended(kit, *(f"run{n}" for n in range(5)))
    core = kit.service._core
    await kit.still()
    assert not core.dispatch.jobs
    assert not core.runs
    assert not core._payloads
    assert not core._run_of
    assert not core.unwritten
    assert all(not known.runs for known in core.drivers.values())


async def test_drivers_and_workers_that_are_gone_are_forgotten(kit: Kit) -> None:
    for number in range(4):
        driver, worker = kit.driver(f"d{number}"), await kit.worker()
        await driver.open()
        await worker.ask("worker::bye")
        kit.host.cut(driver.link)
    await kit.passes(20)
    core = kit.service._core
    assert set(core.labels.values()) == {"remote"}
    assert not core.drivers
    assert not core.runs


async def test_large_inputs_are_read_when_they_start(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    core = kit.service._core
    core._payload_bytes = 1 << 40  # no room is left in memory
    await driver.submit(*jobs(3))
    assert not core._payloads
    worker = await kit.worker()
    await eventually(lambda: len(worker.starts) == 3)


async def slow_reads(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, Driver, Event]:
    """A job that has a worker, and whose input is read once the event is set."""
    core, reading, read_on = kit.service._core, asyncio.Event(), asyncio.Event()
    core._payload_bytes = 1 << 40  # no room is left in memory
    read = core._job

    async def slowly(job_id: str) -> Job | None:
        reading.set()
        await read_on.wait()
        return await read(job_id)

    monkeypatch.setattr(core, "_job", slowly)
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(job())
    await reading.wait()
    return worker, driver, read_on


async def test_a_job_that_is_cancelled_while_its_input_is_read_is_not_sent(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, driver, read_on = await slow_reads(kit, monkeypatch)
    await driver.ask("run::cancel", run="r")
    read_on.set()
    await holds(lambda: worker.given == [], kit)


async def test_a_start_that_was_given_up_while_its_input_was_read_is_not_sent(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, _, read_on = await slow_reads(kit, monkeypatch)
    await kit.passes(3)  # two pings say that the worker does not have it
    read_on.set()
    await eventually(lambda: worker.given)
    await holds(lambda: worker.given == [start_of(job(), 2)], kit)


async def test_a_code_version_is_kept_while_a_run_may_need_it(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open(run="a")
    await driver.submit(job("1", run="a", code="v1"), run="a")
    await driver.open(run="b")
    await driver.submit(job("1", run="b", code="v2"), run="b")
    await eventually(lambda: len(worker.starts) == 2)
    await driver.end(run="a")
    await driver.end(run="b")
    kept: list[set[str]] = []
    for keep in (2, 1, 0):
        await kit.call("runs::prune", keep=keep)
        kept.append(kit.kept_code[-1][0])
    assert kept == [{"v1", "v2"}, {"v2"}, set()]


async def test_code_that_was_just_brought_is_kept_for_jobs_to_come(kit: Kit) -> None:
    now = kit.clock.wall()
    assert kit.kept_code == [(set(), now - 7 * DAY)]
    await kit.call("runs::prune", keep=0, days=0.0)
    assert kit.kept_code[-1] == (set(), now - 3600)
