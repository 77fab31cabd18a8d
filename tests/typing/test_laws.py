"""Both checkers accept the good lines of the laws, and refuse each bad one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAWS = Path(__file__).with_name("laws.py")
BIN = Path(sys.executable).parent
MARKS = {"mypy": r"# type: ignore\[", "pyright": r"# pyright: ignore\["}


def _marked(checker: str) -> set[int]:
    lines = LAWS.read_text().splitlines()
    return {n for n, line in enumerate(lines, 1) if re.search(MARKS[checker], line)}


def _flagged(checker: str, path: Path) -> set[tuple[str, int]]:
    if checker == "mypy":
        command = [str(BIN / "mypy"), "--output", "json", str(path)]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        found = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
        return {(Path(d["file"]).name, d["line"]) for d in found if d["severity"] == "error"}
    ran = subprocess.run(
        [BIN / "pyright", "--outputjson", "--pythonpath", sys.executable, path],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return {
        (Path(d["file"]).name, d["range"]["start"]["line"] + 1)
        for d in json.loads(ran.stdout)["generalDiagnostics"]
        if d["severity"] == "error"
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", MARKS)
def test_exactly_the_bad_lines_are_flagged_and_with_the_ignores_none(
    checker: str, tmp_path: Path
) -> None:
    stripped = tmp_path / "laws_stripped.py"
    stripped.write_text(re.sub(r" *# (type|pyright): ignore\[.*", "", LAWS.read_text()))
    bad = {(stripped.name, line) for line in _marked(checker)}
    # One after the other: in one run with an empty cache mypy leaves out what both have in common.
    assert _flagged(checker, stripped) == bad
    assert _flagged(checker, LAWS) == set()


def test_both_checkers_are_held_to_the_same_lines() -> None:
    assert _marked("mypy") == _marked("pyright")
    assert len(_marked("mypy")) >= 30
