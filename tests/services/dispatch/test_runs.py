"""What a run id means: new, resumed, attached or ended; and who may write."""

import asyncio

import pytest

from tests.services.dispatch.kit import Kit, job, jobs, start_of
from tests.waiting import eventually


async def test_an_unknown_id_starts_a_run(kit: Kit) -> None:
    answer = await kit.driver().open()
    assert (answer["how"], answer["epoch"], answer["life"]) == ("new", 1, 0)
    assert await kit.kinds() == ["run_started"]


async def test_an_unfinished_run_without_a_driver_goes_on_in_a_higher_epoch(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    kit.host.cut(old.link)
    answer = await new.open()
    assert (answer["how"], answer["epoch"]) == ("resumed", 2)
    assert await kit.kinds() == ["run_started", "run_attached"]


async def test_a_run_that_was_released_goes_on_elsewhere(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    await old.ask("run::release", run="r", epoch=1)
    assert (await new.open())["how"] == "resumed"


async def test_a_run_whose_driver_is_alive_is_attached_to_and_its_end_told(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    assert (await new.open())["how"] == "attached"
    await old.end()
    await eventually(lambda: new.told("ended") == [["r", "done", "+1"]])
    assert old.told("ended") == [["r", "done", "+1"]]


async def test_who_is_attached_hears_that_the_driver_is_gone(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    await new.open()
    kit.host.cut(old.link)
    await eventually(lambda: new.told("released") == ["r"])
    assert (await new.open())["how"] == "resumed"


async def test_a_silent_driver_does_not_hold_its_runs(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    for _ in range(4):
        await kit.passes(2)
        await old.alive()
    assert (await new.open())["how"] == "attached"
    await kit.passes(6)
    assert (await new.open())["how"] == "resumed"


async def test_a_driver_that_was_overtaken_is_told_and_can_write_nothing(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    await kit.passes(6)
    await new.open()
    await eventually(lambda: old.told("superseded") == [["r", 2]])
    step = {"path": "1", "what": "use", "value": "late"}
    writes = [
        await old.refused("run::put", run="r", epoch=1, steps=[step]),
        await old.refused("run::end", run="r", epoch=1, ok=True, exit="+1"),
        await old.refused("run::cancel_jobs", run="r", epoch=1, ids=[job().id]),
        await old.refused("run::rejoin", run="r", epoch=1, driver="old"),
    ]
    assert [error.code for error in writes] == ["superseded"] * 4
    await old.submit(job())
    await eventually(lambda: [item[2] for item in old.told("refused")] == ["superseded"])
    assert await kit.rows("SELECT count(*) FROM steps") == [(0,)]
    assert await kit.rows("SELECT count(*) FROM jobs") == [(0,)]


async def test_who_is_attached_to_a_driver_that_falls_silent_may_go_on(kit: Kit) -> None:
    old, watcher = kit.driver("old"), kit.driver("watcher")
    await old.open()
    assert (await watcher.open())["how"] == "attached"
    for _ in range(8):
        await kit.passes(1)
        await watcher.alive()
    assert watcher.told("released") == ["r"]
    assert (await watcher.open())["how"] == "resumed"
    await eventually(lambda: old.told("superseded") == [["r", 2]])


async def test_a_late_release_of_a_lower_epoch_changes_nothing(kit: Kit) -> None:
    old, new, third = (kit.driver(name) for name in ("old", "new", "third"))
    await old.open()
    await kit.passes(6)
    await new.open()
    await old.ask("run::release", run="r", epoch=1)
    assert (await third.open())["how"] == "attached"


async def test_the_jobs_of_an_overtaken_driver_are_the_new_drivers(kit: Kit) -> None:
    worker, old, new = await kit.worker(), kit.driver("old"), kit.driver("new")
    await old.open()
    await old.submit(job())
    await eventually(lambda: worker.starts)
    await kit.passes(6)
    await new.open()
    await new.submit(job())
    await worker.end(start_of(job()))
    assert list(await new.settled()) == [job().id]
    assert old.told("done") == []
    assert worker.given == [start_of(job())]


async def test_a_finished_run_gives_its_recorded_exit_and_takes_no_more(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    await driver.end()
    answer = await driver.open()
    assert (answer["how"], answer["status"], answer["exit"]) == ("ended", "done", "+1")
    step = {"path": "1", "what": "use", "value": "late"}
    assert (await driver.refused("run::put", run="r", epoch=1, steps=[step])).code == "run_ended"


async def test_the_first_exit_of_a_run_wins(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    assert await driver.end() == {"status": "done", "exit": "+1"}
    assert (await driver.refused("run::end", run="r", epoch=1, ok=False, exit="-2")).code == (
        "run_ended"
    )
    assert (await kit.call("run::get", run="r"))["exit"] == "+1"


async def test_another_program_under_a_known_id_is_one_clear_error(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    for ended in (False, True):
        if ended:
            await driver.end()
        message = {"run": "r", "driver": "d2", "fingerprint": "other"}
        error = await driver.refused("run::open", **message)
        assert error.code == "other_program"
        assert error.message == (
            "run r belongs to another program: give a new run id, or start it over with fresh=True"
        )


async def test_starting_over_deletes_what_is_on_record(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.put("1", "a")
    await driver.submit(job("2"))
    await eventually(lambda: worker.starts)
    answer = await driver.open(fingerprint="other", fresh=True)
    assert (answer["how"], answer["life"], answer["epoch"]) == ("new", 1, 2)
    assert await kit.kinds() == ["run_started"]
    page = await kit.call("run::read", run="r")
    assert (page["steps"], page["jobs"]) == ([], [])
    await eventually(lambda: worker.stopped == [start_of(job("2"))])
    assert await driver.put("1", "b") == ("use", "b")


async def test_a_run_that_is_driven_elsewhere_is_not_started_over(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    message = {"run": "r", "driver": "new", "fingerprint": "f", "fresh": True}
    error = await new.refused("run::open", **message)
    assert error.message == "run r is being driven: cancel it before it is started over"


async def test_a_finished_run_is_started_over(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    await driver.end()
    assert (await driver.open(fresh=True))["how"] == "new"
    assert await kit.status() == "running"


# Steps


async def test_the_first_value_of_a_step_wins_and_both_writers_get_it(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    answers = await asyncio.gather(*(driver.put("1", value) for value in "abc"))
    assert set(answers) == {("use", "a")}


async def test_a_step_is_told_once_however_often_it_is_written(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    for _ in range(3):
        await driver.put("1", "a")
    assert await kit.kinds() == ["run_started", "step_done"]


async def test_a_batch_of_steps_is_written_whole_or_not_at_all(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    steps = [{"path": str(n), "what": "use", "value": "v"} for n in range(3)]
    await driver.refused("run::put", run="r", epoch=9, steps=steps)
    assert (await kit.call("run::read", run="r"))["steps"] == []
    await driver.ask("run::put", run="r", epoch=1, steps=steps)
    assert len((await kit.call("run::read", run="r"))["steps"]) == 3


async def test_a_long_record_is_read_in_pages_of_bounded_size(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    for number in range(20):
        await driver.put(f"{number:02}", "v" * 1000)
    await driver.submit(*jobs(4))
    await eventually(lambda: len(worker.starts) == 4)
    for start in worker.starts:
        await worker.end(start, "w" * 1000)
    await driver.settled(4)
    steps: list[str] = []
    found: list[str] = []
    after_step, after_job, pages = "", 0, 0
    while True:
        page = await kit.call(
            "run::read", run="r", after_step=after_step, after_job=after_job, limit_bytes=4000
        )
        if not page["steps"] and not page["jobs"]:
            break
        pages += 1
        assert len(page["steps"]) <= 4
        steps += [step[0] for step in page["steps"]]
        found += [row[1] for row in page["jobs"]]
        after_step = steps[-1]
        after_job = page["after_job"]
    assert pages >= 5
    assert steps == [f"{number:02}" for number in range(20)]
    assert found == [f"1/{index}" for index in range(4)]


# After a restart of the services


async def test_a_driver_rejoins_and_goes_on_where_it_was(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    await driver.put("1", "a")
    await kit.restart()
    await driver.rejoin()
    assert await driver.put("2", "b") == ("use", "b")
    assert (await kit.driver("d2").open())["how"] == "attached"


async def test_a_restart_leaves_runs_to_whoever_comes_first(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    await kit.restart()
    old.connect()
    new.connect()
    assert (await new.open())["how"] == "resumed"
    assert (await old.refused("run::rejoin", run="r", epoch=1, driver="old")).code == "superseded"


async def test_who_is_attached_attaches_again_after_a_restart(kit: Kit) -> None:
    old, new = kit.driver("old"), kit.driver("new")
    await old.open()
    await new.open()
    await kit.restart()
    old.connect()
    new.connect()
    await old.ask("run::rejoin", run="r", epoch=1, driver="old")
    assert (await new.open())["how"] == "attached"
    await old.end()
    await eventually(lambda: new.told("ended") == [["r", "done", "+1"]])


async def test_each_life_of_the_services_has_a_higher_generation(kit: Kit) -> None:
    worker = await kit.worker()
    assert worker.generations == []
    first = await worker.hello()
    await kit.restart()
    assert await worker.hello() == first + 1
    await kit.passes(1)
    assert worker.generations[-1] == first + 1


# What cannot be read


async def test_a_message_that_cannot_be_read_says_which_field(kit: Kit) -> None:
    error = await kit.refused("run::open", run="r", driver=3, fingerprint="f")
    assert error.code == "deserialization_error"
    assert error.message == (
        "Failed to deserialize input for agentfx::run::open: driver: Input should be a valid string"
    )


@pytest.mark.parametrize("limit", [-1, 2**63])
@pytest.mark.parametrize("listing", ["runs::list", "dead::list", "run::events"])
async def test_a_listing_has_a_limit_that_the_store_can_count_to(
    kit: Kit, listing: str, limit: int
) -> None:
    error = await kit.refused(listing, run="", limit=limit)
    assert error.code == "deserialization_error"


async def test_an_unknown_run_is_named(kit: Kit) -> None:
    for name in ("run::read", "run::cancel", "run::events"):
        error = await kit.refused(name, run="nobody")
        assert error.message == "no run nobody: `agentfx runs` lists them"
    assert await kit.call("run::get", run="nobody") is None


async def test_open_jobs_of_a_resumed_run_need_the_code_that_its_driver_brings(kit: Kit) -> None:
    worker, old, new = await kit.worker(slots=1), kit.driver("old"), kit.driver("new")
    await old.open()
    await old.submit(job("1", code="v1"), job("2", code="v1"))
    await eventually(lambda: worker.starts == [start_of(job("1"))])
    kit.host.cut(old.link)
    await new.open()
    await new.submit(job("1", code="v2"), job("2", code="v2"))
    await worker.end(start_of(job("1")))  # it had begun with the code of then
    await eventually(lambda: worker.starts == [start_of(job("2"))])
    assert worker.running[start_of(job("2"))]["code"] == "v2"
    await kit.restart()
    await worker.die()
    await kit.passes(7)
    other = await kit.worker("other")
    await eventually(lambda: other.starts == [start_of(job("2"), 2)])
    assert other.running[start_of(job("2"), 2)]["code"] == "v2"
    await kit.call("runs::prune")
    assert kit.kept_code[-1][0] == {"v1", "v2"}
