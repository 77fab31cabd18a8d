"""A cluster with workers in two languages beside its own."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

import agentfx as fx
from tests.holding import held

WORKERS = Path(__file__).parents[2] / "workers"
INSTALL_SECONDS = 100.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test comes first waits for npm, or for another process that has begun with it."""
    for item in items:
        names: list[str] = getattr(item, "fixturenames", [])
        if "textstats" in names and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(60 + 2 * INSTALL_SECONDS))


@pytest.fixture(scope="session")
def textstats(pytestconfig: pytest.Config) -> Path:
    """The JavaScript worker's folder, installed; the test is skipped where that cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node or npm is not installed")
    folder = pytestconfig.cache.mkdir("textstats")
    with FileLock(f"{folder}.lock"):  # processes that test side by side share it
        _copy(WORKERS / "textstats", folder)
        lock = (folder / "package-lock.json").read_text()
        installed = folder / "installed-lock.json"
        if not installed.exists() or installed.read_text() != lock:
            try:
                subprocess.run(
                    [npm, "ci"], cwd=folder, check=True, capture_output=True,
                    timeout=INSTALL_SECONDS,
                )  # fmt: skip
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"npm ci fails here: {error}")
            installed.write_text(lock)
    return folder


def _copy(source: Path, folder: Path) -> None:
    """Copy what has changed: a worker of another process may be reading what has not."""
    for path in source.rglob("*"):
        there = folder / path.relative_to(source)
        if "node_modules" in path.parts or not path.is_file():
            continue
        if not there.exists() or there.read_bytes() != path.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, there)


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
