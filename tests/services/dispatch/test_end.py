"""How a life of the services ends, in good order."""

import asyncio
import gc
from typing import Any

from tests.services.dispatch.kit import Kit, job, start_of
from tests.waiting import eventually


async def test_what_had_started_a_moment_before_is_on_record(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts == [start_of(job())])
    await kit.restart()
    assert "job_started" in await kit.kinds()


async def test_links_that_close_with_the_services_are_nobodys_loss(kit: Kit) -> None:
    worker, driver = await kit.worker(), kit.driver()
    await driver.open()
    await driver.submit(job())
    await eventually(lambda: worker.starts == [start_of(job())])
    await kit.service.stop()
    kit.dead.add(worker.number)
    worker.cut()
    await kit.still()
    events = await kit.rows("SELECT type FROM events")
    assert ("job_started",) in events
    assert not {("job_lost",), ("worker_lost",)} & set(events)


async def test_nobody_complains_of_a_write_that_came_too_late(kit: Kit) -> None:
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    await kit.stop()
    kit.store.write(lambda t: None)
    gc.collect()
    assert said == []
    await kit.start()
