"""Every walkthrough is executed in a real kernel; its cells assert what its text claims."""

import asyncio
import json
import re
from pathlib import Path

import psutil
import pytest

from tests.notebook.kernel import started_kernel
from tests.notebooks.walkthrough import FOLDER, SOURCES, opened, read, tags
from tests.waiting import eventually, is_alive

walkthroughs = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
LINK = re.compile(r"\]\(([^)#:]+)\)")


def cluster_of(folder: Path) -> list[psutil.Process]:
    """Processes of the cluster that runs in a folder."""
    try:
        found = json.loads((folder / ".agentfx" / "cluster.json").read_text())
    except FileNotFoundError:
        return []
    supervisor = psutil.Process(found["pid"])
    return [supervisor, *supervisor.children(recursive=True)]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(400)
@walkthroughs
async def test_it_runs_unclicked_and_again_and_leaves_no_process(
    source: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    cache = str(pytestconfig.cache.mkdir("mypy"))  # of the one that runs a type checker
    with opened(source, tmp_path, MYPY_CACHE_DIR=cache) as walkthrough:
        walkthrough.run()
        walkthrough.run(without="once")
        processes = cluster_of(tmp_path)
    await eventually(lambda: not any(map(is_alive, processes)))


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(120)
def test_the_kernel_of_the_fourth_is_restarted_where_it_says_so(tmp_path: Path) -> None:
    notebook = read(FOLDER / "04_kill_the_kernel.py")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    setup = [cell.source for cell in code[:4]]  # which the text says to run again
    (work,) = (cell.source for cell in code if "restart" in tags(cell))
    (claim,) = (cell.source for cell in code if "restarted" in tags(cell))
    diary = tmp_path / "translations.txt"
    with started_kernel(tmp_path) as kernel:
        for source in setup:
            kernel.run(source)
        kernel.start(work, cell="now-you")
        begun = lambda: diary.exists() and len(diary.read_text().splitlines()) > 4  # noqa: E731
        asyncio.run(eventually(begun))
        kernel.restart()
        for source in setup:
            kernel.run(source)
        ran = kernel.run(work, cell="now-you")
        assert "this cell's unfinished run" in ran.text
        assert "0 finished jobs run again" in ran.shown[-1]["text/plain"]
        kernel.run(claim)


@walkthroughs
def test_it_is_written_by_the_conventions(source: Path) -> None:
    notebook = read(source)
    assert notebook.cells[0].source.startswith(f"# {int(source.stem[:2])} · ")
    assert "kernelspec" in notebook.metadata
    kinds = [tags(cell) for cell in notebook.cells]
    exercises = [at for at, found in enumerate(kinds) if "exercise" in found]
    assert exercises
    for at in exercises:
        assert "solution" in kinds[at + 1]
        assert notebook.cells[at + 1].metadata["jupyter"]["source_hidden"]
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "What was promised" in text


@walkthroughs
def test_the_table_lists_it(source: Path) -> None:
    assert f"({source.name})" in (FOLDER / "README.md").read_text()


def test_links_lead_somewhere() -> None:
    for path in [*SOURCES, FOLDER / "README.md"]:
        for link in LINK.findall(path.read_text()):
            target = FOLDER / link
            assert target.with_suffix(".py").exists() or target.exists(), f"{path.name}: {link}"
