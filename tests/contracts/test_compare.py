"""What changed between two registries, and whether those who call by the old one notice."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentfx.algebra import Published
from agentfx.contracts import Known, compare
from agentfx.contracts._accept import problems
from agentfx.contracts._read import read_schema
from agentfx.contracts._within import within
from tests.contracts.corpus import EXACT
from tests.contracts.values import near

TEXT = {"type": "string"}
NUMBER = {"type": "number"}


def one(request: Any = None, response: Any = None, **errors: Any) -> list[Known]:
    return [Known("a::b", "", Published(request, response, errors))]


def an_object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def listed(value: Any) -> dict[str, Any]:
    """A linked list: a definition that refers to itself."""
    return an_object(["value"], value=value, next=REFERENCE)


REFERENCE = {"$ref": "#/$defs/D"}
ROW = {"type": "array", "prefixItems": [NUMBER, NUMBER], "items": False, "minItems": 2}
KEYS = an_object(["a"], a=NUMBER)
CHANGES: dict[str, tuple[list[Known], list[Known], str]] = {
    "a function that is gone": (one(), [], "breaking: is gone"),
    "a function that is new": ([], one(), "compatible: is new"),
    "input: a wider type": (one({"type": "integer"}), one(NUMBER), "compatible"),
    "input: a narrower type": (one(NUMBER), one({"type": "integer"}), "breaking"),
    "result: a narrower type": (one(None, NUMBER), one(None, {"type": "integer"}), "compatible"),
    "result: a wider type": (one(None, {"type": "integer"}), one(None, NUMBER), "breaking"),
    "input: a new optional key of a closed object": (
        one({**KEYS, "additionalProperties": False}),
        one({**an_object(["a"], a=NUMBER, b=TEXT), "additionalProperties": False}),
        "compatible",
    ),
    "input: a new required key": (
        one(KEYS), one(an_object(["a", "b"], a=NUMBER, b=TEXT)), "breaking: its input changed: b:",
    ),
    "input: an object that is closed now": (
        one(KEYS), one({**KEYS, "additionalProperties": False}),
        "breaking: its input changed: other keys would be refused",
    ),
    "input: a key that may be left out now": (one(KEYS), one(an_object([], a=NUMBER)), "compat"),
    "input: another value of an enum": (
        one({"enum": ["a"]}), one({"enum": ["a", "b"]}), "compatible",
    ),
    "result: another value of an enum": (
        one(None, {"enum": ["a"]}), one(None, {"enum": ["a", "b"]}), "breaking",
    ),
    "input: a bound": (one(TEXT), one({**TEXT, "maxLength": 3}), "breaking"),
    "input: a contract where there was none": (one(), one(KEYS), "breaking"),
    "a new failure": (one(), one(Gone=KEYS), "breaking: it can fail with Gone now"),
    "a failure less": (one(Gone=KEYS), one(), "compatible: it no longer fails with Gone"),
    "a failure with another field": (
        one(Gone=KEYS), one(Gone=an_object(["a"], a=TEXT)), "breaking: its Gone changed: a:",
    ),
    "another description": (
        [Known("a::b", "old", Published())], [Known("a::b", "new", Published())], "compatible",
    ),
    "input: a pattern of keys": (
        one({"type": "object", "additionalProperties": TEXT}),
        one({"type": "object", "additionalProperties": TEXT, "propertyNames": {"pattern": "^a"}}),
        "breaking",
    ),
    "input: a row whose items have to differ": (
        one(ROW), one({**ROW, "uniqueItems": True}), "breaking",
    ),
    "a definition that fits no member of a union, asked twice": (
        one(an_object(["x"], x=REFERENCE, y={"type": "null"}) | {"$defs": {"D": listed(TEXT)}}),
        one(
            {
                "anyOf": [
                    an_object(["x", "z"], x=REFERENCE), an_object(["x"], x=REFERENCE),
                ],
                "$defs": {"D": listed(NUMBER)},
            }
        ),
        "breaking",
    ),
    "a shape that has no type": (one({"not": TEXT}), one({"not": NUMBER}), "breaking"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change(name: str) -> None:
    before, after, expected = CHANGES[name]
    kind, _, text = expected.partition(": ")
    changes = compare(before, after)
    assert len(changes) == 1
    assert changes[0].kind.startswith(kind)
    assert text in changes[0].text


def test_nothing_changed() -> None:
    for schema in EXACT.values():
        assert compare(one(schema, schema), one(schema, schema)) == []


def test_breaking_changes_come_first() -> None:
    kinds = [
        change.kind
        for change in compare(
            [*one(NUMBER), Known("c::d", "", Published())],
            [*one(TEXT), Known("e::f", "", Published())],
        )
    ]
    assert kinds == ["breaking", "breaking", "compatible"]


def test_a_change_is_one_line_of_plain_text() -> None:
    (change,) = compare([Known("a\x1b[2J::b\n", "", Published())], [])
    assert str(change) == "breaking    a [2J::b : is gone"


NAMES = sorted(EXACT)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_called_compatible_is(data: st.DataObject) -> None:
    """Every value of a shape that is said to lie within another has that shape as well."""
    narrow, wide = data.draw(st.sampled_from(NAMES)), data.draw(st.sampled_from(NAMES))
    left, right = read_schema(EXACT[narrow], narrow), read_schema(EXACT[wide], wide)
    if within(left, right) is None:
        value = data.draw(near(EXACT[narrow], EXACT[narrow]))
        if not problems(left, value):
            assert problems(right, value) == [], (narrow, wide)


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_lies_within_itself(name: str) -> None:
    shapes = read_schema(EXACT[name], name)
    assert within(shapes, shapes) is None
