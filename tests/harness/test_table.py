"""The table of invariants in the documentation names tests that are there."""

import re

import pytest

from tests.documented import ROOT, missing, named_in

TABLE = (ROOT / "docs" / "harness.md").read_text().partition("## Invariants and their tests")[2]
ROWS = re.findall(r"^\| ([\d, ]+) \| .+? \| (.+) \|$", TABLE, re.MULTILINE)
NOT_BUILT = {50}


def test_every_number_has_a_row() -> None:
    numbers = [int(number) for first, _ in ROWS for number in first.split(", ")]
    assert numbers == list(range(1, 53))


@pytest.mark.parametrize(("numbers", "named"), ROWS)
def test_the_tests_of_a_row_are_there(numbers: str, named: str) -> None:
    checked = "`faults()`" in named or int(numbers.split(",")[0]) in NOT_BUILT
    assert named_in(named) or checked, "it names no test"
    assert missing(named) == []
