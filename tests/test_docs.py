"""Every code block of the documentation is run, or says why not."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_origin

import pytest

from agentfx.algebra import Node
from tests.documents.page import ROOT, anchors, blocks, pages, prints, targets

PAGES = pages()
RUN = {"python", "console", "file"}

# Every block that is not run, and why. One more is one more line here.
NOT_RUN: dict[str, list[str]] = {
    "README.md": [
        "it takes minutes; tests/cli runs the demo on fewer modules",
        "the package index has no release yet",
        "magics are run in a real kernel, by tests/notebook",
        "magics are run in a real kernel, by tests/notebook",
    ],
    "CONTRIBUTING.md": ["it would run these tests"],
    "docs/command-line.md": ["it serves until Ctrl-C"],
    "docs/real-engine.md": ["it needs an engine that is not ours"] * 2,
}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.kind in RUN for b in blocks(page))], ids=_name
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if "AGENTFX" not in name}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.documents.run_page", str(page)],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"{_name(page)}\n{ran.stdout}\n{ran.stderr}"


def test_a_block_that_is_not_run_says_why() -> None:
    found = {
        _name(page): [block.about for block in blocks(page) if block.kind == "not run"]
        for page in PAGES
    }
    assert {page: why for page, why in found.items() if why} == {
        page: why for page, why in NOT_RUN.items() if why
    }


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_block_is_of_a_kind_that_nobody_runs(page: Path) -> None:
    unknown = [(b.line, b.about) for b in blocks(page) if b.kind == "unknown"]
    assert not unknown, "run it as python or console, or say above it why it is not run"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in targets(page):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.exists(), f"{_name(page)} leads to {target}"
        if anchor:
            assert anchor in anchors(place), f"{_name(page)} leads to {target}"


def test_the_lowering_of_every_node_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/lowering.md").read_text(), re.MULTILINE)
    nodes = {get_origin(kind) or kind for kind in get_args(Node)}
    assert sorted(told) == sorted(kind.__name__ for kind in nodes)


def test_each_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/design"
    there = {path.name for path in folder.glob("0*.md")}
    assert {name for name in targets(folder / "README.md") if name.startswith("0")} == there


def test_dots_stand_for_anything() -> None:
    assert prints("a … c\n", "a b\nb c  \n")
    assert not prints("a … c\n", "a b\n")
    assert not prints("a", "a b")
