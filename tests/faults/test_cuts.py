"""Cut and silent wires between real processes: who lives goes on where they were."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import agentfx as fx
from tests.faults import jobs
from tests.faults.jobs import squares, times, traced
from tests.faults.proxy import Proxy
from tests.faults.random_kills import ROOT
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(200)]
SLOW_SECONDS = 60.0


@asynccontextmanager
async def worker_behind(proxy: Proxy, cluster: fx.Cluster) -> AsyncGenerator[None]:
    """A worker whose wire to the engine the test has in its hands."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agentfx", "worker", "--name", "far", "--slots", "4",
        "--tasks", jobs.__name__, "--url", proxy.url, "--token", cluster.token or "",
        cwd=ROOT,
    )  # fmt: skip
    try:
        await cluster.joined(["far"])
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def test_a_worker_whose_wire_is_cut_goes_on_and_nothing_runs_twice(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with (
        fx.local(workers=0, home=own_home) as cluster,
        Proxy(cluster.url) as proxy,
        worker_behind(proxy, cluster),
    ):
        run = await fx.start(squares(log, 12, 0.5), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        before = proxy.accepted
        proxy.cut()
        assert await run.result() == fx.Ok([n * n for n in range(12)])
        assert proxy.accepted > before
        events = [event async for event in run.events()]
    assert set(times(log, "began").values()) == {1}
    assert not any(event.type == "job_lost" for event in events)


async def test_a_driver_whose_wire_is_cut_goes_on_with_its_run(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, slots=4, home=own_home) as cluster, Proxy(cluster.url) as proxy:
        async with fx.connect(url=proxy.url, token=cluster.token) as far:
            await fx.run_dist(squares(log, 1, 0.0), backend=cluster)  # the worker loads its code
            run = await fx.start(squares(log, 12, 0.3), backend=far, run_id="r")
            await eventually(lambda: len(traced(log)) >= 6)
            proxy.cut()
            assert await run.result() == fx.Ok([n * n for n in range(12)])
        row = await cluster.request("run::get", {"run": "r"})
    assert (row["status"], row["epoch"]) == ("done", 1)
    assert sum(times(log, "began").values()) == 12 + 1


async def test_a_worker_on_a_silent_wire_loses_its_jobs_to_others(
    own_home: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with (
        fx.local(workers=0, home=own_home) as cluster,
        Proxy(cluster.url) as proxy,
        worker_behind(proxy, cluster),
    ):
        run = await fx.start(squares(log, 4, 1.0), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 4)
        proxy.hold()  # its outcomes, and its answers to pings, do not come through
        await cluster.spawn("near")
        assert await run.result() == fx.Ok([0, 1, 4, 9])
        proxy.cut()  # it comes back with outcomes that no longer count
        await cluster.joined(["far"])
        again = await fx.run_dist(squares(log, 4, 1.0), backend=cluster, run_id=run.id)
        assert again == fx.Ok([0, 1, 4, 9])
    assert times(log, "began") == {f"began {n}": 2 for n in range(4)}


async def test_a_paused_engine_that_goes_on_has_lost_nobody(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=2, home=own_home) as cluster:
        # Both load the code first: one that is late would keep the engine paused for too long.
        await fx.run_dist(squares(tmp_path / "first", 8, 0.0), backend=cluster)
        run = await fx.start(squares(log, 16, 0.5), backend=cluster)
        await eventually(lambda: len(traced(log)) >= 8)
        engine = (await cluster.status())["engine"]
        os.kill(engine, signal.SIGSTOP)
        try:
            await eventually(lambda: len(times(log, "ended")) >= 8)
        finally:
            os.kill(engine, signal.SIGCONT)
        assert await run.result() == fx.Ok([n * n for n in range(16)])
        assert (await cluster.status())["engine"] == engine
    assert set(times(log, "began").values()) == {1}
