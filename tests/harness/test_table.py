"""The table of invariants in the documentation names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "harness.md").read_text().partition("## Invariants and their tests")[2]
ROWS = re.findall(r"^\| ([\d, ]+) \| .+? \| (.+) \|$", TABLE, re.MULTILINE)
FOLDERS = (ROOT / "tests" / "harness", ROOT / "tests" / "services")
NAMED = re.compile(r"`(?:(\w+\.py)::)?(test_\w+)…`|`(\w+\.py)`")
NOT_BUILT = {50}


def names_in(file: str | None) -> set[str]:
    """The names of the tests in a file, or in all."""
    paths = [path for folder in FOLDERS for path in folder.glob(file or "test_*.py")]
    return {
        name
        for path in paths
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def test_every_number_has_a_row() -> None:
    numbers = [int(number) for first, _ in ROWS for number in first.split(", ")]
    assert numbers == list(range(1, 53))


@pytest.mark.parametrize(("numbers", "named"), ROWS)
def test_the_tests_of_a_row_are_there(numbers: str, named: str) -> None:
    found = NAMED.findall(named)
    checked = "`faults()`" in named or int(numbers.split(",")[0]) in NOT_BUILT
    assert found or checked, "it names no test"
    for in_file, prefix, file in found:
        names = names_in(file or in_file or None)
        assert names, f"no file {file or in_file}"
        if prefix:
            assert any(re.match(rf"{prefix}(_|$)", name) for name in names), f"no {prefix}…"
