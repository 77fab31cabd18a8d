"""Lists that cross the wire as one text."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentfx.wire import packed, unpacked

VALUES = st.recursive(st.none() | st.booleans() | st.text(), lambda v: st.lists(v, max_size=3))


@given(st.lists(VALUES, max_size=5))
def test_a_list_comes_back_from_its_text(items: list[Any]) -> None:
    assert unpacked({"starts": packed(items), "gen": 1}, "starts") == items


def test_a_list_that_is_not_there_is_empty() -> None:
    assert unpacked({"gen": 1}, "starts") == []
