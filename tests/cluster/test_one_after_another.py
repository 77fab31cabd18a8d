"""A cluster that is started while the one before it still ends, in the same home."""

from pathlib import Path

import pytest
from filelock import FileLock

import agentfx as fx
from agentfx.cluster import Home


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_cluster_follows_another_at_once(own_home: str) -> None:
    for _ in range(3):
        async with fx.local(workers=0, home=own_home) as cluster:
            assert await cluster.workers() == []


@pytest.mark.slow
async def test_a_cluster_that_ends_is_not_found(own_home: str) -> None:
    home = Home(Path(own_home))
    async with fx.local(workers=0, home=own_home):
        async with fx.local(workers=0, home=own_home):
            pass
        assert home.find() is not None  # the other user is still there
    assert home.find() is None


@pytest.mark.slow
async def test_an_orderly_end_leaves_one_file_and_no_words(own_home: str) -> None:
    home = Home(Path(own_home))
    async with fx.local(workers=1, home=own_home) as cluster:
        assert [row["label"] for row in await cluster.workers()] == ["w1"]
    with FileLock(home.lock).acquire(timeout=30):  # the supervisor has ended, the engine before it
        stored = {path.name for path in home.path.glob("store.db*")}
    assert stored == {"store.db", "store.db.lock"}
    assert home.log.read_text() == ""
