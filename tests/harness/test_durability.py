"""What an engine that may lose things is told, and told about."""

import logging
from pathlib import Path
from typing import Any

import pytest

import agentfx as fx
from agentfx import harness
from agentfx.algebra import Published
from agentfx.services._sqlite import _store
from tests.harness import agents

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, not written


class Lossy:
    """An engine whose services say that they may lose things."""

    def __init__(self, lossy: str | None) -> None:
        self._lossy = lossy
        self.opened = 0

    async def request(self, name: str, data: Any) -> Any:
        if name == "session::durability":
            return {"lossy": self._lossy}
        self.opened += 1
        return {}

    def bring_code(self) -> str | None:
        return None

    async def published(self, function_id: str) -> Published | None:
        return None


async def test_a_lossy_engine_is_refused_if_so_configured() -> None:
    engine = Lossy("it is in memory")
    with pytest.raises(harness.NotDurableError, match="it is in memory"):
        await harness.open("s", agents.adder, backend=engine, if_lossy="refuse")
    assert engine.opened == 0


async def test_a_lossy_engine_is_told_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await harness.open("s", agents.adder, backend=Lossy("it is in memory"))
    assert "it is in memory" in caplog.text
    caplog.clear()
    await harness.open("s", agents.adder, backend=Lossy("memory"), if_lossy="ignore")
    await harness.open("s", agents.adder, backend=Lossy(None), if_lossy="refuse")
    assert caplog.text == ""


@pytest.mark.slow
async def test_the_embedded_engine_says_what_its_folder_is(cluster: fx.Cluster) -> None:
    answer = await cluster.request("session::durability", {})
    assert answer["lossy"] is None or "memory" in answer["lossy"]


def test_a_folder_in_memory_is_known() -> None:
    if SHARED_MEMORY.is_dir():
        assert _store._filesystem(SHARED_MEMORY / "x") in ("tmpfs", None)
    assert _store._filesystem(Path("/")) not in _store._IN_MEMORY


async def test_a_remote_tool_whose_worker_is_not_there_is_named() -> None:
    agent = harness.Agent(
        "far", model=agents.adder.model, tools=[fx.remote("pymath::add")], module="__main__"
    )
    with pytest.raises(harness.SessionError, match="nobody has pymath::add now"):
        await harness.open("s", agent, backend=Lossy(None))
