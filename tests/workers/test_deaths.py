"""Foreign workers that die, and that outlive nobody."""

import asyncio
import shutil
from pathlib import Path

import psutil
import pytest

import agentfx as fx
from agentfx.contracts import remote
from agentfx.interpreters import NoWorkerError
from tests.waiting import DEADLINE_SECONDS, eventually, is_alive
from tests.workers.conftest import WORKERS

pytestmark = [pytest.mark.slow, pytest.mark.faults]


async def test_a_durable_job_waits_for_its_worker_to_come_back(own_home: str) -> None:
    async with fx.local(workers=0, home=own_home, serve=[str(WORKERS / "pymath")]) as cluster:
        await cluster.kill("pymath")
        await _unserved(cluster, "pymath::add")
        program = remote("pymath::add", replayable=True)(a=20, b=22)
        with pytest.raises(NoWorkerError, match="pymath::add"):
            await fx.run_dist(program, backend=cluster, run_id="waits")
        await cluster.serve(str(WORKERS / "pymath"))
        assert await fx.run_dist(program, backend=cluster, run_id="waits") == fx.Ok({"sum": 42})


async def _unserved(cluster: fx.Cluster, function_id: str) -> None:
    """Wait until the engine has seen that nobody is left who serves a function."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await cluster.request("functions::unserved", {"functions": [function_id]}):
            pass


def _written(path: Path) -> bool:
    return path.exists() and path.read_text() != ""


async def test_a_task_called_from_javascript_moves_when_its_worker_is_killed(
    own_home: str, textstats: Path, tmp_path: Path
) -> None:
    options = {"tasks": ["tests.workers.tasks"], "serve": [str(textstats)]}
    async with fx.local(workers=2, home=own_home, **options) as cluster:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        call = remote("textstats::of_page")(url=f"hold:{tmp_path}")
        run = await fx.start(call, backend=cluster)
        first, second = tmp_path / "started-1", tmp_path / "started-2"
        await eventually(lambda: _written(first))
        await cluster.kill(first.read_text())
        await eventually(lambda: _written(second))
        (tmp_path / "go").touch()
        assert await run.result() == fx.Ok({"url": f"hold:{tmp_path}", "words": 3})
        assert first.read_text() != second.read_text()


async def test_a_direct_call_is_lost_with_its_worker(
    own_home: str, textstats: Path, tmp_path: Path
) -> None:
    async with fx.local(
        workers=1, home=own_home, tasks=["tests.workers.tasks"], serve=[str(textstats)]
    ) as cluster:
        run = await fx.start(remote("textstats::of_page")(url=f"hold:{tmp_path}"), backend=cluster)
        await eventually((tmp_path / "started-1").exists)
        await cluster.kill("textstats")
        result = await run.result()
        assert isinstance(result, fx.Err)
        assert result.error.reason == "lost"
        (tmp_path / "go").touch()


async def test_a_durable_job_is_called_again_by_the_worker_that_came_back(
    own_home: str, textstats: Path, tmp_path: Path
) -> None:
    async with fx.local(
        workers=1, home=own_home, tasks=["tests.workers.tasks"], serve=[str(textstats)]
    ) as cluster:
        call = remote("textstats::of_page", replayable=True)(url=f"hold:{tmp_path}")
        run = await fx.start(call, backend=cluster)
        await eventually((tmp_path / "started-1").exists)
        await cluster.kill("textstats")
        (tmp_path / "go").touch()
        await cluster.serve(str(textstats))
        assert await run.result() == fx.Ok({"url": f"hold:{tmp_path}", "words": 3})
        seen = [e.type async for e in run.events() if e.task == "textstats::of_page"]
        assert seen[:5] == ["job_queued", "job_started", "job_lost", "job_requeued", "job_started"]


async def test_they_end_with_the_supervisor_even_if_that_is_killed(own_home: str) -> None:
    async with fx.local(workers=0, home=own_home, serve=[str(WORKERS / "pymath")]) as cluster:
        supervisor = psutil.Process((await cluster.status())["supervisor"])
        family = supervisor.children(recursive=True)
        assert [p for p in family if p.cmdline()[-1:] == ["src/main.py"]]
        supervisor.kill()
        await eventually(lambda: not any(map(is_alive, family)))


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (None, "has no iii.worker.yaml"),
        ("name: [", "is no YAML"),
        ("name: x", "needs a name, and a start command"),
        ("scripts: {start: 'true'}", "needs a name"),
    ],
)
async def test_a_worker_that_cannot_be_started(
    manifest: str | None, why: str, tmp_path: Path, cluster: fx.Cluster
) -> None:
    if manifest is not None:
        (tmp_path / "iii.worker.yaml").write_text(manifest)
    with pytest.raises(fx.ClusterError, match=why):
        await cluster.serve(str(tmp_path))


async def test_packages_of_javascript_are_installed_at_the_first_start(
    textstats: Path, tmp_path: Path, cluster: fx.Cluster
) -> None:
    folder = tmp_path / "worker"
    shutil.copytree(textstats, folder, ignore=shutil.ignore_patterns("node_modules"))
    name = await cluster.serve(str(folder))
    try:
        assert (folder / "node_modules" / "iii-sdk").is_dir()
        counted = await fx.run_dist(remote("textstats::count")(text="a b"), backend=cluster)
        assert counted == fx.Ok({"unit": "words", "count": 2})
    finally:
        await cluster.stop(name)


async def test_packages_that_cannot_be_installed(tmp_path: Path, cluster: fx.Cluster) -> None:
    text = "name: broken\nscripts: {start: node x.js, install: echo why it fails; exit 3}\n"
    (tmp_path / "iii.worker.yaml").write_text(text)
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(fx.ClusterError, match=r"`echo why it fails; exit 3` failed in .*: why it"):
        await cluster.serve(str(tmp_path))


async def test_a_language_that_is_not_installed(
    tmp_path: Path, cluster: fx.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(fx.ClusterError, match=r"textstats needs Node\.js: there is no `node` on"):
        await cluster.serve(str(WORKERS / "textstats"))


async def test_a_worker_that_ends_at_once(tmp_path: Path, cluster: fx.Cluster) -> None:
    text = "name: broken\nscripts: {start: 'exit 3', install: make it}\nfunctions: [broken::x]\n"
    (tmp_path / "iii.worker.yaml").write_text(text)
    with pytest.raises(fx.ClusterError, match="broken::x; has `make it` been run"):
        await cluster.serve(str(tmp_path))
