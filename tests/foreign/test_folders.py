"""Clusters of two folders share one engine, its services and its workers."""

from pathlib import Path

import pytest

import agentfx as fx
from agentfx.interpreters import NoWorkerError
from tests.foreign.process import ForeignEngine

pytestmark = pytest.mark.slow


@fx.task("folders::worker")
async def worker(ctx: fx.TaskContext, n: int) -> str:
    return ctx.worker


def _in_folder(engine: ForeignEngine, home: Path, workers: int, slots: int) -> fx.local:
    return fx.local(workers, slots=slots, url=engine.url, token=engine.token, home=str(home))


async def test_jobs_go_to_workers_that_can_read_the_folders_code(
    engine: ForeignEngine, tmp_path: Path
) -> None:
    program = worker.for_each(range(6), concurrency=6)
    async with _in_folder(engine, tmp_path / "one", 1, 8) as one:
        assert await fx.run_dist(program, backend=one) == fx.Ok(6 * ["w1"])
        async with _in_folder(engine, tmp_path / "two", 0, 1) as two:
            with pytest.raises(NoWorkerError, match=r"w1 .* cannot load the code of this folder"):
                await fx.run_dist(program, backend=two, run_id="waits")
            await two.spawn("other")
            assert await fx.run_dist(program, backend=two, run_id="waits") == fx.Ok(6 * ["other"])
        assert await fx.run_dist(program, backend=one) == fx.Ok(6 * ["w1"])


async def test_workers_that_import_a_task_serve_all_folders(
    engine: ForeignEngine, tmp_path: Path
) -> None:
    async with (
        fx.local(1, [__name__], url=engine.url, token=engine.token, home=str(tmp_path / "one")),
        _in_folder(engine, tmp_path / "two", 0, 1) as two,
    ):
        assert await fx.run_dist(worker(1), backend=two) == fx.Ok("w1")
