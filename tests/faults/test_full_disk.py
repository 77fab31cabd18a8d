"""A disk that is really full, or the engine's share of it: what had ended is kept, and is on record
once there is room."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import agentfx as fx
from tests.faults.jobs import times, work
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(200)]
MEGABYTES = 4
SIZE = 100_000
COUNT = 3 * MEGABYTES * 1_000_000 // (2 * SIZE)
LIMIT = MEGABYTES * 1_000_000 // 2


@fx.task("faults::blob")
async def blob(log: str, n: int) -> str:
    await work.local(log, n, 0.0)
    return str(n % 10) * SIZE


async def large() -> str:
    return "x" * 10 * SIZE


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.getuid():
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)], check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def make_room(disk: Path) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,size=256m", str(disk)], check=True)


async def held_up(
    cluster: fx.Cluster, log: Path, is_full: Callable[[], bool], make_room: Callable[[], object]
) -> None:
    """More results than there is room for: they are kept, and on record once there is room."""
    engine = (await cluster.status())["engine"]
    program = fx.for_each(range(COUNT), lambda n: blob(str(log), n), concurrency=COUNT)
    run = await fx.start(program, backend=cluster, run_id="large")
    await eventually(lambda: len(times(log, "ended")) == COUNT)
    await eventually(is_full)
    with pytest.raises(Exception, match=r"the disk is full|may not grow") as caught:
        await fx.run_dist(fx.attempt(large), backend=cluster)
    assert "\n" not in str(caught.value)
    assert await run.status() == "running"  # it can still be read
    make_room()
    assert await run.result() == fx.Ok([str(n % 10) * SIZE for n in range(COUNT)])
    assert (await cluster.status())["engine"] == engine  # it waited, and did not start again
    assert set(times(log, "began").values()) == {1}


async def test_results_are_kept_until_there_is_room(disk: Path, tmp_path: Path) -> None:
    async with fx.local(workers=2, home=str(disk / "home")) as cluster:
        await held_up(
            cluster,
            tmp_path / "log",
            lambda: shutil.disk_usage(disk).free < 2 * SIZE,
            lambda: make_room(disk),
        )


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="no limits of other processes")
async def test_results_are_kept_until_files_may_grow(tmp_path: Path) -> None:
    log = tmp_path / "home" / "store.db-wal"
    async with fx.local(workers=2, home=str(tmp_path / "home")) as cluster:
        engine = psutil.Process((await cluster.status())["engine"])
        unlimited = engine.rlimit(psutil.RLIMIT_FSIZE)
        engine.rlimit(psutil.RLIMIT_FSIZE, (LIMIT, unlimited[1]))
        await held_up(
            cluster,
            tmp_path / "log",
            lambda: log.stat().st_size > LIMIT - SIZE,
            lambda: engine.rlimit(psutil.RLIMIT_FSIZE, unlimited),
        )
