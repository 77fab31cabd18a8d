"""Engines that are not agentfx's own: they run already, and have no services.

The one without services of the embedded engine stands for them everywhere; `III_URL` (with
`III_TOKEN`) names a real one, for the tests that do not have to kill it. It must have no services,
and tests use it one at a time (`pytest -n 0 tests/foreign`).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import agentfx as fx
from agentfx.backends import Connection
from agentfx.engine import Engine
from tests.foreign.process import ForeignEngine
from tests.holding import held

SESAME = "secret"


@dataclass(frozen=True)
class Address:
    """Where an engine is."""

    url: str
    token: str | None


@pytest.fixture(scope="session", params=["embedded", "III_URL"])
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Address]:
    """An engine without services that tests share."""
    if request.param == "embedded":
        engine = ForeignEngine(tmp_path_factory.mktemp("foreign"))
        asyncio.run(engine.up())
        yield Address(engine.url, engine.token)
        engine.close()
        return
    if "III_URL" not in os.environ:
        pytest.skip("III_URL is not set")
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("III_URL is for one test process: use -n 0")
    yield Address(os.environ["III_URL"], os.environ.get("III_TOKEN"))


def _until_unserved(address: Address) -> Address:
    """Services of tests before are a moment behind them; who meets them starts none."""

    async def wait() -> None:
        async with (
            asyncio.timeout(30),
            fx.connect(address.url, token=address.token) as backend,
        ):
            while (await backend.about()).services is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    asyncio.run(wait())
    return address


@pytest.fixture
def unserved(address: Address) -> Address:
    """The engine once it has no services."""
    return _until_unserved(address)


@pytest.fixture(scope="module")
def shared_foreign(address: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster with two workers on an engine that is not ours, for tests that kill nothing."""
    home = tmp_path_factory.mktemp("foreign") / "home"
    _until_unserved(address)
    with held(lambda: fx.local(2, url=address.url, token=address.token, home=str(home))):
        yield home


@pytest.fixture
async def foreign(shared_foreign: Path) -> AsyncIterator[fx.Cluster]:
    """A connection to the shared cluster."""
    async with fx.local(workers=0, home=str(shared_foreign)) as attached:
        yield attached


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ForeignEngine]:
    """An engine of the test's own, to be killed."""
    own = ForeignEngine(tmp_path)
    await own.up()
    try:
        yield own
    finally:
        own.close()


@pytest.fixture
async def bare() -> AsyncIterator[Engine]:
    """An engine within this process, without services."""
    own = Engine(token=SESAME)
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
async def client(bare: Engine) -> AsyncIterator[Connection]:
    """Somebody else on it."""
    connection = await Connection.connect(bare.url, SESAME, "somebody")
    yield connection
    await connection.close()
