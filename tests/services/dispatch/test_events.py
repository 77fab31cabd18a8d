"""Events: derived from what is on record, the same for a live run and for one of long ago."""

from typing import Any, get_args

import pytest

from agentfx.jobs import EVENT_FIELDS, Told
from agentfx.jobs._event import Event, EventType
from agentfx.services._sqlite import _events, _jobs
from tests.services.dispatch.kit import TASK, Kit, job, jobs, later, start_of
from tests.waiting import eventually


def fields(event: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(event.get(name) for name in names)


async def everything(kit: Kit) -> None:
    """A run in which each kind of event happens."""
    worker, driver = await kit.worker("w1"), kit.driver()
    await driver.open()
    await driver.put("1", "v", what="use LLM.ask")
    opened = [{"path": "2", "label": "pages", "task": TASK, "count": 3}]
    items = [job(f"2/{index}", index=index, label="page") for index in range(3)]
    await driver.submit(*items, opened=opened)
    await eventually(lambda: len(worker.starts) == 3)
    await worker.ask("worker::output", lines=[{"job": items[0].id, "text": "hello\n"}])
    await worker.end(start_of(items[0]))
    await worker.fail(start_of(items[1]))
    await worker.die()
    other = await kit.worker("w2")
    await eventually(lambda: other.starts)
    await other.crash(other.starts[0])
    await driver.settled(key="dead")
    await kit.call("dead::redrive", job=items[2].id)
    await eventually(lambda: other.starts)
    await kit.restart()
    driver.connect()
    await other.hello()
    await driver.open()
    await driver.submit(job("3"))
    await driver.ask("run::cancel_jobs", run="r", epoch=2, ids=[job("3").id])
    await other.ask("worker::bye")
    await driver.end()


async def test_every_type_of_event_is_told(kit: Kit) -> None:
    await everything(kit)
    told = {event["type"] for event in await kit.events()}
    assert told == set(get_args(EventType))


async def test_events_are_numbered_dated_and_of_one_shape(kit: Kit) -> None:
    await everything(kit)
    events = [Event.model_validate(row) for row in await kit.events()]
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
    assert all(event.at >= 1_700_000_000 for event in events)
    for event in events:
        about_nobody = event.type in (
            "worker_joined", "worker_lost", "worker_left", "services_restarted"
        )  # fmt: skip
        assert event.run == ("" if about_nobody else "r"), event
        if event.type.startswith("job_") or event.type == "output":
            assert event.job
            assert event.path
            assert event.task == TASK
            assert event.attempt == 1
        if event.type in ("job_started", "job_lost", "job_done", "job_failed", "job_dead"):
            assert event.worker in ("w1", "w2")
            assert event.delivery
        if event.type.startswith("worker_"):
            assert event.worker in ("w1", "w2")


async def test_a_past_run_tells_what_it_told_when_it_was_live(kit: Kit) -> None:
    await everything(kit)
    live = await kit.events()
    late = await kit.worker("late")
    await late.ask("worker::bye")
    await kit.restart()
    again = await kit.events()
    assert [e for e in again if e["run"]] == [e for e in live if e["run"]]
    assert again == live  # what workers do after its end is no part of it


async def test_a_hand_off_shows_its_two_intervals(kit: Kit) -> None:
    worker, driver = await kit.worker("w1"), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    kit.clock.advance(0.25)
    await worker.die()
    await kit.still()
    kit.clock.advance(3.0)
    other = await kit.worker("w2")
    await eventually(lambda: other.starts)
    await other.end(other.starts[0])
    await driver.settled()
    moved = [e for e in await kit.events() if e.get("job")][2:]
    assert [fields(e, "type", "worker", "delivery") for e in moved] == [
        ("job_lost", "w1", 1),
        ("job_requeued", None, None),
        ("job_started", "w2", 2),
        ("job_done", "w2", 2),
    ]
    lost, requeued, started, _ = moved
    assert lost["ms"] == 0.0  # from the closing of the link to the loss
    assert requeued["at"] - lost["at"] == 0.0
    assert started["at"] - requeued["at"] == 3.0


async def test_a_resumed_run_tells_which_steps_are_not_run_again(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.put("1", "v", what="use LLM.ask")
    await driver.put("2~", "due", what="due")
    await driver.submit(job("3"), job("4"))
    await eventually(lambda: len(worker.starts) == 2)
    await worker.end(start_of(job("3")))
    await driver.settled()
    for _ in range(2):
        await driver.ask("run::release", run="r", epoch=driver.epochs["r"])
        await driver.open()
    events = [e for e in await kit.events() if e["type"] in ("step_replayed", "run_attached")]
    assert [fields(e, "type", "path", "task", "label") for e in events][-3:] == [
        ("run_attached", None, None, None),
        ("step_replayed", "1", None, "use LLM.ask"),
        ("step_replayed", "3", TASK, None),
    ]
    assert [e["type"] for e in events].count("step_replayed") == 2  # of the latest driver


async def test_events_can_be_waited_for(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    last = (await kit.events())[-1]["seq"]
    waiting = later(kit.call("run::events", run="r", after=last, wait_seconds=5.0))
    await driver.put("1", "v")
    assert [event["type"] for event in await waiting] == ["step_done"]


async def test_waiting_for_events_ends_in_time(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    last = (await kit.events())[-1]["seq"]
    assert await kit.call("run::events", run="r", after=last, wait_seconds=0.0) == []


async def test_a_reader_pulls_pages_so_a_slow_one_holds_nothing_up(kit: Kit) -> None:
    _, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(*jobs(30))
    found: list[int] = []
    while page := await kit.call("run::events", run="r", after=found[-1] if found else 0, limit=7):
        assert len(page) <= 7
        found += [event["seq"] for event in page]
    assert len(found) == len(set(found)) >= 31


async def test_who_wants_columns_gets_the_same_events_as_values(kit: Kit) -> None:
    await everything(kit)
    rows = zip(*await kit.call("run::events", run="r", limit=5000, columns=True), strict=True)
    named = [
        {name: value for name, value in zip(EVENT_FIELDS, row, strict=True) if value is not None}
        for row in rows
    ]
    assert named == await kit.events()


async def told_whole(kit: Kit, whole: int) -> list[Told]:
    columns = await kit.call("run::events", run="r", columns=True, whole=whole)
    return [Told._make(row) for row in zip(*columns, strict=True)]


async def test_of_jobs_that_are_done_the_beginning_can_be_left_out(kit: Kit) -> None:
    worker, driver = await kit.worker("w1"), kit.driver()
    await driver.open()
    await driver.submit(job("1"), job("2"), job("3"))
    await eventually(lambda: len(worker.starts) == 3)
    for path in ("1", "2"):
        await worker.end(start_of(job(path)))
    await driver.settled()

    async def told(whole: int) -> list[tuple[Any, ...]]:
        rows = await told_whole(kit, whole)
        return [(row.type, row.path) for row in rows if row.job]

    open_job = [("job_queued", "3"), ("job_started", "3")]
    ends = [("job_done", "1"), ("job_done", "2")]
    assert await told(whole=1) == [*open_job, *ends]
    assert len(await told(whole=100)) == 8


async def test_a_job_that_was_lost_in_between_is_told_whole(kit: Kit) -> None:
    worker, driver = await kit.worker("w1"), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await worker.die()
    other = await kit.worker("w2")
    await eventually(lambda: other.starts)
    await other.end(other.starts[0])
    await driver.settled()
    rows = await told_whole(kit, 1)
    assert [row.type for row in rows if row.job] == [
        "job_queued", "job_started", "job_lost", "job_requeued", "job_started", "job_done",
    ]  # fmt: skip


async def test_a_page_of_much_output_ends_early(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_events, "PAGE_CHARACTERS", 100)
    monkeypatch.setattr(_events, "ROWS_AT_ONCE", 2)
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    for number in range(5):
        line = {"job": job().id, "text": f"{number}" * 70}
        await worker.ask("worker::output", lines=[line])
    pages: list[list[Any]] = []
    after = 0
    while page := await kit.call("run::events", run="r", after=after):
        pages.append(page)
        after = page[-1]["seq"]
    assert len(pages) > 2
    said = [event["label"][0] for page in pages for event in page if event["type"] == "output"]
    assert said == ["0", "1", "2", "3", "4"]


async def test_output_of_a_job_is_bounded_and_says_so(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    for _ in range(4):
        await worker.ask("worker::output", lines=[{"job": job().id, "text": "x" * 30_000}])
    texts = [e["label"] for e in await kit.events() if e["type"] == "output"]
    assert sum(len(text) for text in texts) < 70_000
    assert texts[-1].endswith("\n[output of this job is cut off here: 65,536 characters]\n")
    assert len(texts) == 3


async def test_output_that_comes_after_its_job_has_ended_is_told_too(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    await worker.end(start_of(job()))
    await worker.ask("worker::output", lines=[{"job": job().id, "text": "late"}])
    assert (await kit.events())[-1]["label"] == "late"


# How a run stands


async def test_a_run_waits_when_no_worker_can_run_its_jobs(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    assert await kit.status() == "running"
    await driver.submit(job())
    assert await kit.status() == "waiting"
    assert [row["status"] for row in await kit.call("runs::list")] == ["waiting"]
    worker = await kit.worker()
    assert await kit.status() == "running"
    await eventually(lambda: worker.starts)
    await worker.die()
    await eventually(lambda: not kit.host.has(TASK))
    assert await kit.status() == "waiting"


async def test_a_run_waits_also_after_a_restart_and_without_a_driver(kit: Kit) -> None:
    driver = kit.driver()
    await driver.open()
    await driver.submit(job())
    await kit.restart()
    assert await kit.status() == "waiting"
    (row,) = await kit.call("runs::list")
    assert row["driven"] is False


async def test_a_listing_shows_runs_newest_first_and_who_is_driven(kit: Kit) -> None:
    driver = kit.driver()
    for name in ("a", "b", "c"):
        await driver.open(run=name, program=f"module:{name}")
    await driver.end(run="b", ok=False)
    await kit.call("run::cancel", run="c")
    rows = await kit.call("runs::list")
    assert [fields(row, "id", "status", "driven", "program") for row in rows] == [
        ("c", "cancelled", False, "module:c"),
        ("b", "failed", False, "module:b"),
        ("a", "running", True, "module:a"),
    ]
    assert len(await kit.call("runs::list", limit=2)) == 2


async def test_which_workers_there_are_and_what_they_have_is_told(kit: Kit) -> None:
    await kit.worker("w1", tasks=["a::b", "c::d"])
    answer = await kit.call("tasks::unserved", tasks=["a::b", "x::y"])
    assert answer["missing"] == ["x::y"]
    workers = {row["worker"]: row["tasks"] for row in answer["workers"]}
    assert workers == {"w1": ["a::b", "c::d"]}


async def test_no_task_is_missing_for_good_while_workers_come_back_after_a_restart(
    kit: Kit,
) -> None:
    worker = await kit.worker("w1", tasks=["a::b"])
    await kit.restart()
    answer = await kit.call("tasks::unserved", tasks=["a::b"])
    assert (answer["missing"], answer["settling"]) == (["a::b"], True)
    await worker.hello()
    answer = await kit.call("tasks::unserved", tasks=["a::b"])
    assert (answer["missing"], answer["settling"]) == ([], False)


async def _printed(kit: Kit, **asked: Any) -> tuple[int, list[str]]:
    """Where to go on, and what was printed."""
    answer = await kit.call("run::output", run="r", **asked)
    return answer["after"], [f"{worker}: {text}" for worker, _, text in answer["pieces"]]


async def test_output_is_told_alone_and_from_now_on(kit: Kit) -> None:
    worker, driver = await kit.worker("w1"), kit.driver()
    now, _ = await _printed(kit)
    assert await _printed(kit, after=now) == (now, [])  # there is no such run yet
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    for text in ("a", "b"):
        await worker.ask("worker::output", lines=[{"job": job().id, "text": text}])
    last = (await kit.events())[-1]["seq"]
    assert await _printed(kit, after=now) == (last, ["w1: a", "w1: b"])
    assert await _printed(kit) == (last, [])


async def test_who_waits_for_output_is_woken_by_nothing_else(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[int]()
    read_output = _events.read_output

    def count(*arguments: Any) -> Any:
        looks.append(1)
        return read_output(*arguments)

    monkeypatch.setattr(_jobs, "read_output", count)
    worker, driver = await kit.worker("w1"), kit.driver()
    await driver.open()
    waiting = later(_printed(kit, after=0, wait_seconds=5.0))
    await eventually(lambda: looks)
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    assert len(looks) == 1
    await worker.ask("worker::output", lines=[{"job": job().id, "text": "a"}])
    assert (await waiting)[1] == ["w1: a"]
    assert len(looks) == 2


async def test_a_page_of_output_ends_early_too(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_events, "PAGE_CHARACTERS", 100)
    worker, driver = await kit.worker("w1"), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts)
    for letter in "abc":
        await worker.ask("worker::output", lines=[{"job": job().id, "text": 30 * letter}])
    after, first = await _printed(kit, after=0)
    assert first == [f"w1: {30 * letter}" for letter in "ab"]
    assert (await _printed(kit, after=after))[1] == [f"w1: {30 * 'c'}"]
