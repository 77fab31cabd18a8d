"""Fixtures for everything that needs a real cluster."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import agentfx as fx
from tests.holding import held

# How long an example takes says how busy the machine is; the deadline of each test is enough.
settings.register_profile("agentfx", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("agentfx")


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster with two workers that tests share; those that kill something start their own."""
    home = tmp_path_factory.mktemp("shared") / "home"
    with held(lambda: fx.local(workers=2, home=str(home))):
        yield home


@pytest.fixture
async def cluster(shared_home: Path) -> AsyncIterator[fx.Cluster]:
    """A connection to the shared cluster; its workers are there already."""
    async with fx.local(workers=0, home=str(shared_home)) as attached:
        yield attached


@pytest.fixture
def own_home(tmp_path: Path) -> str:
    """A home for a cluster of the test's own."""
    return str(tmp_path / "home")
