"""A disk that is really full: what had ended is kept, and is on record once there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import agentfx as fx
from tests.faults.jobs import times, work
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(200)]
MEGABYTES = 4
SIZE = 100_000


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


async def test_results_are_kept_until_there_is_room(disk: Path, tmp_path: Path) -> None:
    log, count = tmp_path / "log", 3 * MEGABYTES * 1_000_000 // (2 * SIZE)
    async with fx.local(workers=2, home=str(disk / "home")) as cluster:
        program = fx.for_each(range(count), lambda n: blob(str(log), n), concurrency=count)
        run = await fx.start(program, backend=cluster, run_id="large")
        await eventually(lambda: len(times(log, "ended")) == count)
        await eventually(lambda: shutil.disk_usage(disk).free < 2 * SIZE)
        with pytest.raises(Exception, match="the disk is full") as caught:
            await fx.run_dist(fx.attempt(large), backend=cluster)
        assert "\n" not in str(caught.value)
        assert await run.status() == "running"  # it can still be read
        make_room(disk)
        assert await run.result() == fx.Ok([str(n % 10) * SIZE for n in range(count)])
    assert set(times(log, "began").values()) == {1}
