"""A cluster that is started while the one before it still ends, in the same home."""

import pytest

import agentfx as fx


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_cluster_follows_another_at_once(own_home: str) -> None:
    for _ in range(3):
        async with fx.local(workers=0, home=own_home) as cluster:
            assert await cluster.workers() == []
