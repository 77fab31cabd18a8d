"""What displays are made of: every job tells all of its life, in order."""

from collections import defaultdict

import pytest

import agentfx as fx


@fx.task("test_events::one")
async def one(number: int) -> int:
    return number


@pytest.mark.slow
async def test_every_job_is_queued_then_started_then_done(cluster: fx.Cluster) -> None:
    run = await fx.start(one.for_each(range(40)), backend=cluster)
    told: dict[str, list[str]] = defaultdict(list)
    async for event in run.events():
        if event.job is not None:
            told[event.job].append(event.type)
    assert len(told) == 40
    assert {tuple(types) for types in told.values()} == {("job_queued", "job_started", "job_done")}
