"""Every walkthrough is executed in a real kernel; its cells assert what its text claims."""

import json
import re
from pathlib import Path

import psutil
import pytest

from tests.notebooks.walkthrough import FOLDER, SOURCES, opened, read, tags
from tests.waiting import eventually

walkthroughs = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
LINK = re.compile(r"\]\(([^)#:]+)\)")


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(180)
@walkthroughs
async def test_it_runs_unclicked_and_again_and_leaves_no_process(
    source: Path, tmp_path: Path
) -> None:
    with opened(source, tmp_path) as walkthrough:
        walkthrough.run()
        walkthrough.run(without="once")
        engine = json.loads((tmp_path / ".agentfx" / "cluster.json").read_text())["pid"]
        processes = [psutil.Process(engine), *psutil.Process(engine).children(recursive=True)]
    await eventually(lambda: not any(process.is_running() for process in processes))


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
