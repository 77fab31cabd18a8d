"""Every test and test file that a page of the documentation names is there, and what make runs."""

import re
from pathlib import Path

import pytest

from tests.documented import ROOT, missing, named_in

MAKEFILE = ROOT / "Makefile"
PAGES = [
    path
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    if any(test for _, test in named_in(path.read_text()))
]


def test_the_pages_on_deaths_and_holes_name_tests() -> None:
    names = {path.name for path in PAGES}
    assert {"deaths.md", "0015-holes.md", "harness.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert missing(page.read_text()) == []


def test_what_make_runs_is_a_program() -> None:
    modules = re.findall(r"python -m (bench[\w.]*)", MAKEFILE.read_text())
    assert sorted(modules) == ["bench", "bench.chaos"]
    for module in modules:
        path = ROOT / Path(*module.split("."))
        program = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        assert 'if __name__ == "__main__":' in program.read_text(), module


@pytest.mark.parametrize(
    "wrong",
    [
        "`test_documented.py::test_nothing_of_this_name`",
        "`test_nothing_of_this_name`",
        "`test_what_a_page_nam…`",
        "`…_of_no_test`",
        "`faults/test_nothing.py`",
    ],
)
def test_a_wrong_name_is_found(wrong: str) -> None:
    assert len(missing(wrong)) == 1
