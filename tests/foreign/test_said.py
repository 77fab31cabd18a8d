"""What commands say of the engine that they found."""

import json
from pathlib import Path

import pytest

import agentfx as fx
from agentfx._clock import SystemClock
from agentfx.backends import Connection
from agentfx.cluster._about import about
from tests.cluster.command import Command
from tests.foreign.conftest import SESAME, Address
from tests.foreign.process import serving

pytestmark = pytest.mark.slow


@pytest.fixture
def agentfx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


def test_the_doctor_tells_that_services_are_missing(unserved: Address, agentfx: Command) -> None:
    token = () if unserved.token is None else ("--token", unserved.token)
    said = agentfx("doctor", "--json", "--url", unserved.url, *token)
    assert said.status == 1
    (row,) = [row for row in json.loads(said.out) if not row["ok"]]
    assert (row["check"], row["found"]) == ("services", "none")
    assert row["mend"] == f"start them: `agentfx services --url {unserved.url}`"
    (engine,) = [row for row in json.loads(said.out) if row["check"] == "engine"]
    assert engine["found"].startswith(f"{unserved.url} (given): ")


async def test_services_as_a_worker(client: Connection, tmp_path: Path) -> None:
    assert str(await about(client)) == "an iii engine, without agentfx services"
    async with serving(client.url, SESAME, tmp_path / "home"):
        await client.served("agentfx::services::info", SystemClock())
        found = await about(client)
    assert found.engine == "an iii engine"
    assert found.services == f"services as a worker of it, store {tmp_path / 'home' / 'store.db'}"


async def test_an_engine_that_tells_its_version(unserved: Address) -> None:
    async with fx.connect(unserved.url, token=unserved.token) as backend:
        found = await backend.about()
    assert found.services is None
    assert found.engine.startswith(("iii 0.", "an iii engine"))


async def test_the_embedded_engine(cluster: fx.Cluster) -> None:
    found = await cluster.about()
    assert found.engine == f"the embedded engine of agentfx {fx.__version__}"
    assert found.services is not None
    assert found.services.startswith("services in it, store ")
