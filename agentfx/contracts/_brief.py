"""Contracts on one line, for people: `{label: string, values: number[], unit?: string | null}`."""

from collections.abc import Iterable
from typing import Any

from agentfx.contracts._read import read_schema
from agentfx.contracts._shape import (
    Anything,
    Boolean,
    Either,
    Field,
    Listing,
    Mapping,
    Named,
    Nothing,
    Null,
    Numeric,
    OneOfValues,
    Record,
    Row,
    Shape,
    Shapes,
    Text,
)

MOST_DEPTH = 5
MOST_MEMBERS = 12
_BOUNDS = {
    "ge": "at least", "gt": "more than", "le": "at most", "lt": "less than",
    "multiple_of": "a multiple of", "min_length": "at least", "max_length": "at most",
    "pattern": "matching",
}  # fmt: skip

_UNITS: dict[type, str] = {
    Numeric: "", Text: " characters", Listing: " items", Mapping: " keys",
}  # fmt: skip


def brief_type(schema: Any) -> str:
    """The type that a JSON Schema describes; `any` for None, which is no schema."""
    shapes = read_schema(schema, "value")
    return _Brief(shapes).text(shapes.root, 0)


def brief_fields(schema: Any) -> list[tuple[str, str, str]]:
    """Name, type with its bounds, and description of each key that an object is known to have."""
    shapes = read_schema(schema, "value")
    brief, root = _Brief(shapes), shapes.root
    while isinstance(root, Named):
        root = shapes.named[root.name]
    if not isinstance(root, Record):
        return []
    return [
        (_key(field), brief.text(field.shape, 0) + _bounds(field.shape), field.description)
        for field in root.fields
    ]


class _Brief:
    def __init__(self, shapes: Shapes) -> None:
        self._named = shapes.named

    def text(self, shape: Shape, depth: int) -> str:
        if depth > MOST_DEPTH:
            return "…"
        match shape:
            case Named(name):
                return self.text(self._named[name], depth + 1)
            case Anything() | Nothing() | Null() | Boolean() | Numeric() | Text():
                return _scalar(shape)
            case OneOfValues(values):
                return _several(values, " | ")
            case Listing(item):
                inner = self.text(item, depth + 1)
                return f"({inner})[]" if " | " in inner and inner[0] != "{" else f"{inner}[]"
            case Row(items):
                return f"[{_several((self.text(item, depth + 1) for item in items), ', ')}]"
            case Mapping(_, value):
                return f"{{[key]: {self.text(value, depth + 1)}}}"
            case Either(shapes):
                members = [self.text(member, depth + 1) for member in shapes]
                return _several(dict.fromkeys(members), " | ")
            case Record(_, fields):
                members = [f"{_key(one)}: {self.text(one.shape, depth + 1)}" for one in fields]
                return f"{{{_several(members, ', ')}}}"


def _scalar(shape: Anything | Nothing | Null | Boolean | Numeric | Text) -> str:
    match shape:
        case Numeric(whole):
            return "integer" if whole else "number"
        case Text(_, form):
            return form or "string"
        case Anything():
            return "any"
        case Nothing():
            return "never"
        case Null():
            return "null"
        case Boolean():
            return "boolean"


def _key(field: Field) -> str:
    return field.name if field.required else f"{field.name}?"


def _bounds(shape: Shape) -> str:
    if not isinstance(shape, (Numeric, Text, Listing, Mapping)):
        return ""
    unit = _UNITS[type(shape)]
    said = [
        f"{_BOUNDS[name]} {bound}{'' if name == 'pattern' else unit}"
        for name, bound in shape.bounds
    ]
    return f" ({', '.join(said)})" if said else ""


def _several(texts: Iterable[str], between: str) -> str:
    found = list(texts)
    return between.join([*found[:MOST_MEMBERS], *(["…"] if len(found) > MOST_MEMBERS else [])])
