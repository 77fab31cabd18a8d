"""A cluster with workers in two languages beside its own."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import agentfx as fx
from tests.holding import held

WORKERS = Path(__file__).parents[2] / "workers"


@pytest.fixture(scope="session")
def textstats(pytestconfig: pytest.Config) -> Path:
    """The JavaScript worker's folder, installed; the test is skipped where that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is not installed")
    folder = pytestconfig.cache.mkdir("textstats")
    for path in (WORKERS / "textstats").iterdir():
        if path.is_dir() and path.name != "node_modules":
            shutil.copytree(path, folder / path.name, dirs_exist_ok=True)
        elif path.is_file():
            shutil.copy(path, folder / path.name)
    lock = (folder / "package-lock.json").read_text()
    installed = folder / "installed-lock.json"
    if not installed.exists() or installed.read_text() != lock:
        try:
            subprocess.run([npm, "ci"], cwd=folder, check=True, capture_output=True, timeout=100)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm ci fails here: {error}")
        installed.write_text(lock)
    return folder


@pytest.fixture(scope="session")
def polyglot_home(tmp_path_factory: pytest.TempPathFactory, textstats: Path) -> Iterator[Path]:
    """A cluster that serves both foreign workers, shared by tests that end nothing in it."""
    home = tmp_path_factory.mktemp("polyglot") / "home"
    served = [str(WORKERS / "pymath"), str(textstats)]
    tasks = ["tests.workers.tasks"]
    with held(lambda: fx.local(workers=1, tasks=tasks, serve=served, home=str(home))):
        yield home


@pytest.fixture
async def polyglot(polyglot_home: Path) -> AsyncIterator[fx.Cluster]:
    """A connection to the shared polyglot cluster."""
    async with fx.local(workers=0, home=str(polyglot_home)) as attached:
        yield attached
