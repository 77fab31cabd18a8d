"""Values in a journal: they come back as they were, or are refused."""

import enum
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import agentfx as fx
from agentfx.algebra import NoJsonFormError, decode_value, encode_value


class Page(BaseModel):
    url: str
    words: int


class Color(enum.Enum):
    RED = 1


class NotFound(fx.Failure):
    page: Page


@dataclass(frozen=True)
class Point:
    x: int
    inner: tuple[int, ...] = ()


VALUES: list[Any] = [
    Page(url="a", words=3),
    [Page(url="a", words=1), None],
    Color.RED,
    Point(1, (2, 3)),
    NotFound(page=Page(url="a", words=1)),
    fx.Ok(3),
    fx.Err(NotFound(page=Page(url="b", words=1))),
    (1, "two", [3.5]),
    {1, 2},
    frozenset({"a"}),
    b"\x00\xff",
    {1: "a", (2, 3): "b"},
    {"$": "a tag of ours"},
    datetime(2026, 1, 2, tzinfo=UTC),
    date(2026, 1, 2),
    timedelta(days=1, microseconds=5),
    Decimal("1.10"),
    UUID(int=7),
    Path("/a/b"),
    2**100,
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.builds(Point, st.integers())
    | st.builds(Page, url=st.text(alphabet="abc"), words=st.integers())
)
nested = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3, alphabet="$ab"), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_known_types_come_back(value: Any) -> None:
    back = decode_value(encode_value(value))
    assert back == value
    assert type(back) is type(value)


@given(nested)
def test_any_nesting_comes_back(value: Any) -> None:
    assert decode_value(encode_value(value)) == value


def test_a_type_says_how_to_rebuild() -> None:
    text = encode_value([{"url": "a", "words": 1}], list[Page])
    assert decode_value(text, list[Page]) == [Page(url="a", words=1)]
    with pytest.raises(NoJsonFormError, match="returns="):
        encode_value("no page", Page)
    with pytest.raises(NoJsonFormError, match="returns="):
        decode_value('"no page"', Page)


@pytest.mark.parametrize("value", [object(), float("nan"), "\udc00", lambda: 1, [object()]])
def test_others_are_refused(value: Any) -> None:
    with pytest.raises(NoJsonFormError):
        encode_value(value)


def test_classes_are_looked_up_never_imported() -> None:
    text = json.dumps({"$": "data", "c": "this_module_does_not_exist:Point", "v": {}})
    with pytest.raises(NoJsonFormError, match="is loaded"):
        decode_value(text)


@pytest.mark.parametrize(
    "name", ["subprocess:Popen", "builtins:eval", "os:system", "pathlib:Path", "builtins:type"]
)
@pytest.mark.parametrize("tag", ["data", "model", "enum"])
def test_only_plain_data_is_rebuilt(name: str, tag: str) -> None:
    with pytest.raises(NoJsonFormError):
        decode_value(json.dumps({"$": tag, "c": name, "v": {"args": "x"}}))
