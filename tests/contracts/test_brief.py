"""Types on one line, as a person reads them in the table of contracts."""

from typing import Any

import pytest

from agentfx.contracts import brief_fields, brief_type
from tests.contracts.corpus import EXACT, UNTYPED

LINES = {
    "anything": "any",
    "several types": "string | null | integer",
    "list of numbers": "number[]",
    "unique": "(integer | boolean)[]",
    "row": "[integer, string]",
    "mixed enum": '"a" | 1 | true | null',
    "object": "{x: number, y: number}",
    "optional fields": "{a?: string, b?: string | null}",
    "map": "{[key]: integer}",
    "no keys at all": "{}",
    "all of": "{age: integer, name: string}",
    "a key that must not be": "{old?: never}",
}


@pytest.mark.parametrize("name", LINES)
def test_one_line(name: str) -> None:
    shown = brief_type(EXACT[name])
    if name == "all of":  # the order of merged keys means nothing
        assert sorted(shown.strip("{}").split(", ")) == ["age: integer", "name: string"]
    else:
        assert shown == LINES[name]


@pytest.mark.parametrize("name", [*EXACT, *UNTYPED])
def test_every_schema_has_one(name: str) -> None:
    schema: Any = EXACT[name] if name in EXACT else UNTYPED[name][0]
    shown = brief_type(schema)
    assert shown
    assert len(shown) < 1_000
    assert "\n" not in shown


def test_fields_have_bounds_and_descriptions() -> None:
    schema = {
        "type": "object",
        "properties": {
            "top": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."},
            "words": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
        "required": ["words"],
    }
    assert brief_fields(schema) == [
        ("top?", "integer (at least 1, at most 9)", "How many."),
        ("words", "string[] (at least 2 items)", ""),
    ]
    assert brief_fields({"type": "string"}) == []
    assert brief_fields(None) == []
