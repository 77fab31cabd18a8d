"""The thin line of the whole kit: twelve jobs, two workers, one of them killed half-way."""

from pathlib import Path

import pytest

import agentfx as fx
from tests.faults.jobs import squares, times


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(120)
async def test_twelve_jobs_of_half_a_second_outlive_a_worker(own_home: str, tmp_path: Path) -> None:
    on_workers, in_memory = tmp_path / "dist", tmp_path / "memory"
    async with fx.local(workers=2, home=own_home) as cluster:
        run = await fx.start(squares(on_workers, 12, 0.5, width=4), backend=cluster)
        killed, lost, done = False, set[str](), dict[str, str]()
        async for event in run.events():
            if event.type == "job_done" and event.job and event.worker:
                done[event.job] = event.worker
            if event.type == "job_lost" and event.job:
                lost.add(event.job)
            # Not its first: so something is done, and it has this one in hand.
            if event.type == "job_started" and event.worker == "w1" and done and not killed:
                killed = True
                await cluster.kill("w1")
        result = await run.result()
    assert len(done) == 12
    assert lost
    assert {done[job] for job in lost} == {"w2"}
    assert result == await fx.run_memory(squares(in_memory, 12, 0.0, width=4))
    assert len(times(on_workers, "ended")) == 12
    # What was not lost ran once.
    assert sum(times(on_workers, "began").values()) <= 12 + len(lost)
