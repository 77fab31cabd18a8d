"""The copy of a notebook that is published shows what happened, without kernel and script."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from tests.notebook.kernel import WIDGET_VIEW
from tests.notebooks.walkthrough import FOLDER, opened

_nbformat: Any = importlib.import_module("nbformat")  # its types are partial
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The third walkthrough as it is saved when a worker was killed in it."""
    folder = tmp_path_factory.mktemp("published")
    with opened(FOLDER / "03_kill_a_worker.py", folder) as walkthrough:
        walkthrough.run(until="waited for a slot")
        path = folder / "saved.ipynb"
        _nbformat.write(walkthrough.notebook, path)
    return path


@pytest.fixture(scope="module")
def copy(saved: Path) -> Path:
    """The copy that the command makes."""
    command = Path(sys.executable).with_name("agentfx")
    target = saved.with_name("copy.ipynb")
    ran = subprocess.run([command, "nb-strip", saved, target], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert str(target) in ran.stdout.replace("\n", "")
    return target


def outputs(path: Path) -> str:
    cells: list[Any] = json.loads(path.read_text())["cells"]
    return json.dumps([cell.get("outputs", []) for cell in cells])


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_copy_has_no_widgets_and_the_original_keeps_them(saved: Path, copy: Path) -> None:
    assert WIDGET_VIEW in outputs(saved)
    assert WIDGET_VIEW not in outputs(copy)
    assert "widgets" not in json.loads(copy.read_text())["metadata"]
    _nbformat.validate(json.loads(copy.read_text()))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_converted_it_shows_the_tree_the_hand_off_and_the_tables(copy: Path) -> None:
    make: Any = HTMLExporter
    page, _ = make(template_name="basic").from_filename(str(copy))
    assert "<b>done</b> after" in page
    assert "<code>the album</code>" in page
    assert "<b>Timeline</b>" in page
    assert "Jobs that moved to another worker" in page
    assert re.search(r"<th scope=.row.>#\d+</th><td>w\d</td><td>w\d</td>", page)
    assert "<caption>Workers</caption>" in page
    assert "killed" in page
    assert "job_requeued" in page  # the frame of the log
    assert "Loading widget" not in page
    shown = page[page.index("afx-static") :]
    assert "<script" not in shown


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_as_text_it_says_the_same(copy: Path) -> None:
    make: Any = MarkdownExporter
    text, _ = make().from_filename(str(copy))
    assert "Jobs that moved to another worker" in text or "noticed and queued again" in text
    assert not CONTROL.search(text)
