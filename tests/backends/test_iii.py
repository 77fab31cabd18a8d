"""The backend on iii, without services: what it tells its driver, and when it gives up."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agentfx.backends import LOST_SECONDS, Connection, IiiBackend
from agentfx.backends._iii import _Driven
from agentfx.engine import Engine
from agentfx.interpreters import BackendError, BackendLostError, SupersededError
from agentfx.testing._backend_laws import Recorder
from agentfx.wire import packed

pytestmark = pytest.mark.slow


class Driver(Recorder):
    """Keeps what it was refused for, too."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[BackendError] = []

    def refused(self, error: BackendError) -> None:
        self.refusals.append(error)


@pytest.fixture
async def backend() -> AsyncGenerator[IiiBackend]:
    engine = Engine(token="secret")  # noqa: S106
    await engine.start()
    made = IiiBackend(await Connection.connect(engine.url, "secret", "driver"))
    yield made
    await made.close()
    await engine.stop()


async def test_who_asks_over_a_closed_connection_hears_so_at_once(backend: IiiBackend) -> None:
    await backend.close()
    async with asyncio.timeout(LOST_SECONDS / 3):
        with pytest.raises(BackendLostError, match="is gone"):
            await backend.request("runs::list", {"limit": 1})


async def test_a_refusal_of_an_earlier_epoch_is_not_this_drivers(backend: IiiBackend) -> None:
    driver = Driver()
    backend._runs["r"] = _Driven(driver, asyncio.get_running_loop(), epoch=2)
    late = ["r", 1, "superseded", "late"]
    await backend._hear({"superseded": packed([["r", 2]]), "refused": packed([late])})
    await asyncio.sleep(0)
    assert driver.refusals == []
    await backend._hear({"superseded": packed([["r", 3]])})
    await asyncio.sleep(0)
    (refusal,) = driver.refusals
    assert isinstance(refusal, SupersededError)


async def test_a_refusal_that_comes_once_the_run_is_opened_again_is_of_before(
    backend: IiiBackend,
) -> None:
    driver, loop = Driver(), asyncio.get_running_loop()
    backend._runs["r"] = _Driven(driver, loop, epoch=1)
    await backend._hear({"superseded": packed([["r", 2]])})
    backend._runs["r"] = _Driven(driver, loop)  # as when it opens the run to attach
    await asyncio.sleep(0)
    assert driver.refusals == []
