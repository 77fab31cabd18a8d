"""The vocabulary of generated contracts: types that accept what a JSON Schema does, exactly.

Pydantic's own types are lax where JSON Schema is not (`true` is no number), and strict where it
is lax (`1.0` is an integer). These are neither, and change no value: an integer under `number`
stays one, beyond 2^53 too; keys that were not given stay absent; others are kept.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction
from typing import Annotated, Any, Never, NoReturn
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    Strict,
    TypeAdapter,
    ValidationError,
    model_serializer,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

SAFE_INTEGER = 2**53 - 1
"""Beyond it a float, and so any number of JavaScript, no longer tells integers apart."""


class Model(BaseModel):
    """An object of a contract.

    Fields that were not given are absent from its JSON; keys that the contract does not name are
    kept, unless it forbids them.
    """

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        protected_namespaces=(),
    )

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if name not in self.model_fields_set:
                alias = field.serialization_alias
                written.pop(name if alias is None else alias, None)
        return written


def _refuse(kind: str, expected: str) -> NoReturn:
    raise PydanticCustomError(kind, f"Input should be {expected}")  # pyright: ignore[reportArgumentType]


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER:
        return int(value)
    _refuse("int_type", "a valid integer")


def _number(value: Any) -> int | float:
    if type(value) is int or (isinstance(value, float) and math.isfinite(value)):
        return value
    _refuse("float_type", "a valid number")


@dataclass(frozen=True)
class Exactly:
    """Marks a type whose values are what a function makes of the input, and are written so."""

    make: Callable[[Any], Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        # Pydantic's own marker would write a float for a number, whatever it is.
        return core_schema.no_info_plain_validator_function(self.make)


Integer = Annotated[int, Exactly(_integer)]
"""An integer; `1.0` is one."""
Number = Annotated[float, Exactly(_number)]
"""A number; an integer stays an integer."""
Boolean = Annotated[bool, Strict()]
"""True or false, and not 1 or 0."""

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)?"


def _in_form(kind: type, pattern: str, expected: str) -> BeforeValidator:
    form = re.compile(pattern, re.ASCII)

    def check(value: Any) -> Any:
        # Pydantic would take numbers for times as well, and digits for a date.
        if isinstance(value, kind) or (isinstance(value, str) and form.fullmatch(value)):
            return value
        _refuse("string_pattern_mismatch", expected)

    return BeforeValidator(check)


DateTime = Annotated[
    datetime, _in_form(datetime, f"{_DATE}[Tt ]{_TIME}", "a date-time, to microseconds at most")
]
"""A date and time in the form of RFC 3339; finer than microseconds is refused, not rounded."""
Date = Annotated[date, _in_form(date, _DATE, "a date")]
Time = Annotated[time, _in_form(time, _TIME, "a time, to microseconds at most")]
_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
Uuid = Annotated[UUID, _in_form(UUID, _UUID, "a UUID")]


def _no_value(value: Any) -> NoReturn:
    _refuse("no_value", "absent: no value is allowed here")


Nothing = Annotated[Never, Exactly(_no_value)]
"""No value at all."""


def _not_null(value: Any) -> Any:
    if value is None:
        _refuse("missing_or_value", "left out rather than null")
    return value


Given = BeforeValidator(_not_null)
"""Marks a field that may be left out, but not be null; it reads as None then."""


def canonical(value: Any) -> Any:
    """A JSON value as something that compares as JSON Schema does: 1 is 1.0, but not true."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, dict):
        return {str(k): canonical(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _all_different(value: Any) -> Any:
    seen: list[Any] = []
    for item in value:
        key = canonical(_plain(item))
        if key in seen:
            _refuse("unique_items", "a list without duplicates")
        seen.append(key)
    return value


def _plain(value: Any) -> Any:
    return _ANY.dump_python(value, mode="json", by_alias=True)


_ANY: TypeAdapter[Any] = TypeAdapter(Any)
Unique = AfterValidator(_all_different)
"""Marks an array without duplicates."""


def is_multiple(value: float, step: float) -> bool:
    """Whether a number is a multiple of another one, as their decimals are written."""
    return not Fraction(repr(value)) % Fraction(repr(step))


def multiple_of(step: float) -> AfterValidator:
    """Marks a number that is a multiple of another, as decimals."""

    def check(value: Any) -> Any:
        if not is_multiple(value, step):
            _refuse("multiple_of", f"a multiple of {step}")
        return value

    return AfterValidator(check)


def one_of_values(*texts: str) -> Exactly:
    """Marks a value that equals one of these, given as JSON text."""
    allowed = [(canonical(value), value) for value in map(json.loads, texts)]

    def check(value: Any) -> Any:
        found = canonical(value)
        for key, original in allowed:
            if key == found:
                return original
        _refuse("enum", f"one of {', '.join(texts)}")

    return Exactly(check)


class ExactlyOne:
    """Marks a union in which a value may fit only one member.

    Args:
        *members: The types of the union.
    """

    def __init__(self, *members: Any) -> None:
        self._members = members
        self._adapters: list[TypeAdapter[Any]] | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    def _check(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        if self._adapters is None:  # late: a member may refer to the model that has this field
            self._adapters = [TypeAdapter(member) for member in self._members]
        text = json.dumps(_plain(value))
        fitting = sum(_accepts(adapter, text) for adapter in self._adapters)
        if fitting > 1:
            _refuse("one_of", f"a value that fits exactly one of the types; it fits {fitting}")
        return handler(value)


def _accepts(adapter: TypeAdapter[Any], text: str) -> bool:
    try:
        adapter.validate_json(text, by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True
