"""Small facts about keywords: bounds, patterns, values."""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import SchemaError

from agentfx.contracts._accept import matches, problems
from agentfx.contracts._shape import (
    Boolean,
    Listing,
    Null,
    Numeric,
    OneOfValues,
    Record,
    Row,
    Shape,
    Shapes,
    Text,
)
from agentfx.contracts._shape import Mapping as MappingShape
from agentfx.contracts._types import canonical

FORMATS = ("date-time", "date", "time", "uuid")
"""Formats that Python has a type for."""


def bounds_of(schema: Mapping[str, Any], names: Mapping[str, str]) -> tuple[tuple[str, Any], ...]:
    """Bounds that are whole numbers, under their Python names."""
    found: list[tuple[str, Any]] = []
    for theirs, ours in names.items():
        value: Any = schema.get(theirs)
        if _is_number(value) and value == int(value) and value >= 0:
            found.append((ours, int(value)))
    return tuple(found)


def numeric_bounds(schema: Mapping[str, Any]) -> tuple[tuple[str, int | float], ...]:
    """Bounds of a number, under their Python names."""
    found: dict[str, Any] = {
        "ge": schema.get("minimum"),
        "gt": schema.get("exclusiveMinimum"),
        "le": schema.get("maximum"),
        "lt": schema.get("exclusiveMaximum"),
        "multiple_of": schema.get("multipleOf"),
    }
    for strict, loose in (("gt", "ge"), ("lt", "le")):
        if found[strict] is True:  # draft 4
            found[strict], found[loose] = found[loose], None
    if _is_number(found["multiple_of"]) and found["multiple_of"] <= 0:
        del found["multiple_of"]  # no schema may say so
    return tuple((name, value) for name, value in found.items() if _is_number(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool and math.isfinite(value)


def pattern_is_known(pattern: Any) -> bool:
    """Whether a pattern means something to the engine that checks it, which runs in linear time."""
    if not isinstance(pattern, str):
        return False
    try:
        matches(pattern, "")
    except SchemaError:
        return False
    return True


def values_text(values: list[Any], rest: Shapes) -> tuple[str, ...]:
    """Those values that the rest of their schema allows, each once, as JSON text."""
    allowed = [value for value in values if not problems(rest, value)]
    return tuple(dict.fromkeys(json.dumps(value, sort_keys=True) for value in allowed))


def disjoint(left: Shape, right: Shape) -> bool:
    """Whether no value can have both shapes."""
    if isinstance(left, OneOfValues) and isinstance(right, OneOfValues):
        mine = [canonical(json.loads(text)) for text in left.values]
        return not any(canonical(json.loads(text)) in mine for text in right.values)
    return not _types_of(left) & _types_of(right)


def _types_of(shape: Shape) -> frozenset[str]:
    match shape:
        case Null():
            return frozenset({"null"})
        case Boolean():
            return frozenset({"boolean"})
        case Numeric():
            return frozenset({"number"})
        case Text():
            return frozenset({"string"})
        case Listing() | Row():
            return frozenset({"array"})
        case Record() | MappingShape():
            return frozenset({"object"})
        case OneOfValues(values):
            return frozenset(_TYPE_NAMES[type(json.loads(text))] for text in values)
        case _:
            return frozenset({"null", "boolean", "number", "string", "array", "object"})


_TYPE_NAMES: dict[type, str] = {
    type(None): "null", bool: "boolean", int: "number", float: "number", str: "string",
    list: "array", dict: "object",
}  # fmt: skip
