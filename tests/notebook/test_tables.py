"""Versions and diffs: whoever follows them has what the others have."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfx.notebook._tables import Tables, apply_diff, difference

_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "clear"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from("xyz"),
        st.integers(0, 3),
    )
)


def _change(tables: Tables, how: str, table: str, key: str, value: int) -> None:
    if how == "put":
        tables.put(table, key, {"v": value})
    elif how == "drop":
        tables.drop(table, key)
    else:
        tables.clear(table)


@given(_CHANGES, _CHANGES)
def test_a_diff_leads_from_any_version_to_the_present(
    before: list[tuple[str, str, str, int]], after: list[tuple[str, str, str, int]]
) -> None:
    tables = Tables()
    for change in before:
        _change(tables, *change)
    old = tables.snapshot()
    for change in after:
        _change(tables, *change)
    assert apply_diff(old, tables.diff(old["version"])) == tables.snapshot()


@given(_CHANGES, _CHANGES)
def test_two_snapshots_without_a_common_history_have_a_difference(
    left: list[tuple[str, str, str, int]], right: list[tuple[str, str, str, int]]
) -> None:
    old, new = Tables(), Tables()
    for change in left:
        _change(old, *change)
    for change in right:
        _change(new, *change)
    diff = difference(old.snapshot(), new.snapshot())
    assert apply_diff(old.snapshot(), diff) == new.snapshot()


def test_what_did_not_change_is_in_no_diff() -> None:
    tables = Tables()
    tables.put("a", "x", {"v": 1})
    version = tables.version
    tables.put("a", "x", {"v": 1})
    assert tables.version == version
    assert tables.diff(version) == {"from": version, "to": version, "set": {}, "drop": {}}


def test_a_diff_does_not_fit_another_version() -> None:
    tables = Tables()
    tables.put("a", "x", {"v": 1})
    empty: dict[str, Any] = {"version": 0, "tables": {}}
    with pytest.raises(ValueError, match="does not fit version 0"):
        apply_diff(empty, tables.diff(1))
