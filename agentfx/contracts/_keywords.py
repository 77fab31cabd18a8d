"""What keywords of a JSON Schema say by themselves: bounds, patterns, values."""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic_core import SchemaError

from agentfx.contracts._accept import matches, problems
from agentfx.contracts._shape import Shapes

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
