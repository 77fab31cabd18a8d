"""A label is of one worker at a time: by it workers are watched, stopped and killed."""

import pytest

from agentfx.services._host import FunctionError
from tests.services.dispatch.kit import (
    DONE,
    Kit,
    Worker,
    block_writer,
    job,
    later,
    running,
    start_of,
    turns,
)


async def _refused(kit: Kit, label: str) -> str:
    with pytest.raises(FunctionError) as error:
        await kit.worker(label)
    assert error.value.code == "label_taken"
    return error.value.message


async def test_a_second_worker_of_a_label_is_refused_and_nothing_is_lost(kit: Kit) -> None:
    (one, _), driver = await running(kit)
    said = await _refused(kit, "w1")
    assert said == (
        f"there is a worker w1 already (process {one.number} on here): give another name, "
        "such as w3"
    )
    assert {row["id"] for row in await kit.call("workers::list")} == {one.id, "w2.2"}
    await one.end(start_of(job()))
    assert await driver.settled() == {job().id: DONE}


async def test_the_label_of_a_dead_worker_is_free_at_once(kit: Kit) -> None:
    one = await kit.worker("w1")
    kit.dead.add(one.number)  # its link is still open
    two = await kit.worker("w1")
    assert [row["id"] for row in await kit.call("workers::list")] == [two.id]
    one.cut()
    assert [row["id"] for row in await kit.call("workers::list")] == [two.id]


async def test_the_successor_of_a_dead_worker_brings_its_jobs_back(kit: Kit) -> None:
    (one, two), driver = await running(kit)
    kit.dead.add(one.number)  # nobody has looked yet whether it has ended
    one.cut()
    three = await kit.worker("w1")
    await kit.still()
    assert one.id not in {row["id"] for row in await kit.call("workers::list")}
    assert [*two.given, *three.given] == [start_of(job(), 2)]
    for worker in (two, three):
        if worker.given:
            await worker.end(start_of(job(), 2))
    assert await driver.settled() == {job().id: DONE}


async def test_a_silent_worker_keeps_its_label(kit: Kit) -> None:
    one = await kit.worker("w1")
    one.cut()
    await _refused(kit, "w1")
    await one.hello()


async def test_the_label_of_a_worker_elsewhere_is_free_when_its_link_has_closed(kit: Kit) -> None:
    one = await kit.worker("w1")
    kit.elsewhere.add(one.number)
    await _refused(kit, "w1")
    one.cut()
    await kit.worker("w1")


async def test_who_comes_back_with_jobs_is_never_refused(kit: Kit) -> None:
    one = await kit.worker("w1")
    stranger = Worker(kit, "w1", 4, ())
    stranger.running["x#1/1"] = {"id": "x#1"}
    await stranger.hello()
    rows = await kit.call("workers::list")
    assert {row["id"] for row in rows} == {one.id, stranger.id}


async def test_a_worker_whose_link_closes_while_its_label_is_made_free_is_not_there(
    kit: Kit,
) -> None:
    one = await kit.worker("w1")
    kit.dead.add(one.number)
    release = await block_writer(kit)  # the end of the one before is not on record yet
    two = Worker(kit, "w1", 4, ())
    greeting = later(two.hello())
    await turns()
    two.cut()
    release()
    with pytest.raises(FunctionError):
        await greeting
    assert await kit.call("workers::list") == []
    await two.hello()
    assert [row["id"] for row in await kit.call("workers::list")] == [two.id]
