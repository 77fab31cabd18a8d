"""Values against shapes: what `remote()` checks where no types were generated."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, core_schema

from agentfx.contracts import _types as t
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
from agentfx.wire import is_array, is_object

Location: TypeAlias = tuple[str | int, ...]
Problem: TypeAlias = tuple[str, Location, str]
"""Type, location and message, as in a `ContractViolation`."""


def problems(shapes: Shapes, value: Any) -> list[Problem]:
    """What is wrong with a JSON value; empty if it has the shape."""
    return list(_Check(shapes.named).problems(shapes.root, value, ()))


class _Check:
    def __init__(self, named: dict[str, Shape]) -> None:
        self._named = named

    def problems(self, shape: Shape, value: Any, at: Location) -> Iterator[Problem]:
        match shape:
            case Anything():
                return
            case Nothing():
                yield "no_value", at, "no value is allowed here"
            case Named(name):
                yield from self.problems(self._named[name], value, at)
            case Either():
                yield from self._either(shape, value, at)
            case OneOfValues(values):
                if t.canonical(value) not in [t.canonical(json.loads(text)) for text in values]:
                    yield "enum", at, f"Input should be one of {', '.join(values)}"
            case Listing() | Row() | Mapping() | Record():
                yield from self._container(shape, value, at)
            case Null() | Boolean() | Numeric() | Text():
                yield from self._scalar(shape, value, at)

    def fits(self, shape: Shape, value: Any) -> bool:
        return next(self.problems(shape, value, ()), None) is None

    def _either(self, shape: Either, value: Any, at: Location) -> Iterator[Problem]:
        fitting = sum(self.fits(member, value) for member in shape.shapes)
        if fitting == 0:
            yield "union", at, f"Input should have one of {len(shape.shapes)} shapes"
        elif fitting > 1 and shape.exactly:
            yield "one_of", at, f"Input should have exactly one of the shapes; it has {fitting}"

    def _scalar(
        self, shape: Null | Boolean | Numeric | Text, value: Any, at: Location
    ) -> Iterator[Problem]:
        match shape:
            case Null():
                if value is not None:
                    yield "none_required", at, "Input should be null"
            case Boolean():
                if not isinstance(value, bool):
                    yield "bool_type", at, "Input should be a valid boolean"
            case Numeric():
                yield from _numeric(shape, value, at)
            case Text():
                yield from _text(shape, value, at)

    def _container(
        self, shape: Listing | Row | Mapping | Record, value: Any, at: Location
    ) -> Iterator[Problem]:
        match shape:
            case Listing() | Row():
                if not is_array(value):
                    yield "list_type", at, "Input should be a valid list"
                    return
                yield from self._array(shape, value, at)
            case Mapping() | Record():
                if not is_object(value):
                    yield "dict_type", at, "Input should be a valid object"
                elif isinstance(shape, Mapping):
                    yield from self._mapping(shape, value, at)
                else:
                    yield from self._record(shape, value, at)

    def _array(self, shape: Listing | Row, value: list[Any], at: Location) -> Iterator[Problem]:
        if isinstance(shape, Listing):
            yield from _sizes(shape.bounds, len(value), at)
            items = [shape.item] * len(value)
        else:
            items = list(shape.items)
            if len(items) != len(value):
                yield "tuple_type", at, f"Input should have {len(items)} items, not {len(value)}"
                return
        for index, (item, one) in enumerate(zip(items, value, strict=True)):
            yield from self.problems(item, one, (*at, index))
        if shape.unique:
            seen: list[Any] = []
            for one in value:
                if t.canonical(one) in seen:
                    yield "unique_items", at, "Input should be a list without duplicates"
                    return
                seen.append(t.canonical(one))

    def _mapping(self, shape: Mapping, value: dict[str, Any], at: Location) -> Iterator[Problem]:
        yield from _sizes(shape.bounds, len(value), at)
        for key, one in value.items():
            yield from self.problems(shape.key, key, (*at, key))
            yield from self.problems(shape.value, one, (*at, key))

    def _record(self, shape: Record, value: dict[str, Any], at: Location) -> Iterator[Problem]:
        for field in shape.fields:
            yield from self._field(field, value, at)
        if not shape.open:
            known = {field.name for field in shape.fields}
            for key in value.keys() - known:
                yield "extra_forbidden", (*at, key), "Extra inputs are not permitted"

    def _field(self, field: Field, value: dict[str, Any], at: Location) -> Iterator[Problem]:
        if field.name in value:
            yield from self.problems(field.shape, value[field.name], (*at, field.name))
        elif field.required:
            yield "missing", (*at, field.name), "Field required"


def _numeric(shape: Numeric, value: Any, at: Location) -> Iterator[Problem]:
    if not _accepted(t.Integer if shape.whole else t.Number, value):
        yield "number_type", at, f"Input should be {'an integer' if shape.whole else 'a number'}"
        return
    for name, bound in shape.bounds:
        if not _WITHIN[name](value, bound):
            yield name, at, f"Input should be {name} {bound}"


_WITHIN: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "le": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
    "multiple_of": t.is_multiple,
}


def _text(shape: Text, value: Any, at: Location) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield "string_type", at, "Input should be a valid string"
        return
    bounds: dict[str, Any] = dict(shape.bounds)
    yield from _sizes(shape.bounds, len(value), at)
    pattern = bounds.get("pattern")
    if pattern is not None and not matches(pattern, value):
        yield "string_pattern_mismatch", at, f"Input should match {pattern!r}"
    if shape.format is not None and not _accepted(_FORMATS[shape.format], value):
        yield "format", at, f"Input should be a {shape.format}"


def _sizes(bounds: tuple[tuple[str, int | str], ...], size: int, at: Location) -> Iterator[Problem]:
    for name, bound in bounds:
        too_short = name == "min_length" and size < int(bound)
        too_long = name == "max_length" and size > int(bound)
        if too_short or too_long:
            yield name, at, f"Input should have {name} {bound}, it has {size}"


def matches(pattern: str, value: str) -> bool:
    """Whether a pattern is found in a text, in time linear in its length.

    Raises:
        pydantic_core.SchemaError: The pattern is not known to the engine.
    """
    try:
        _pattern(pattern).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _pattern(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _accepted(annotation: Any, value: Any) -> bool:
    try:
        _adapter(annotation).validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


_FORMATS: dict[str, Any] = {
    "date-time": t.DateTime, "date": t.Date, "time": t.Time, "uuid": t.Uuid,
}  # fmt: skip
