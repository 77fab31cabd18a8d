"""The contract of a function with generated types; and what all contracts have in common."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from agentfx.algebra import (
    ContractViolation,
    Failure,
    Published,
    RemoteFunction,
    sized_text,
)
from agentfx.contracts._types import SAFE_INTEGER
from agentfx.wire import Json, is_array, is_object

Side = Literal["input", "output"]
WIRE_INTEGERS = range(-(2**63), 2**64)
"""Integers that engines pass on as they are; larger ones would arrive as floats."""
MOST_DEPTH = 120
"""Arrays and objects inside one another; engines drop a message that is nested deeper."""
_SAFE = range(-SAFE_INTEGER, SAFE_INTEGER + 1)
_LOST_KEY = "__proto__"
_JAVASCRIPT = ("node", "javascript", "bun", "deno", "browser")


def is_javascript(language: str | None) -> bool:
    """Whether a worker says that its numbers are all floats."""
    return (language or "").lower().startswith(_JAVASCRIPT)


def violation(function_id: str, where: Side, kind: str, at: Any, text: str) -> ContractViolation:
    """One thing that a contract does not allow."""
    return ContractViolation(task=function_id, where=where, errors=((kind, tuple(at), text),))


def check_portable(function_id: str, language: str | None, value: Json) -> None:
    """Refuse what would not arrive as it is.

    Raises:
        ContractViolation: It is null, which no SDK sends; it is nested too deeply; an integer is
            too large for the wire, or for the other side's language; or a key is one that the
            SDK of JavaScript loses.
    """
    if value is None:
        text = "null is not sent as a whole input: call it without arguments"
        raise violation(function_id, "input", "null_input", (), text)
    if _is_deep(value):
        text = f"it is nested more than {MOST_DEPTH} deep, and would not arrive: pass it as text"
        raise violation(function_id, "input", "too_deep", (), text)
    javascript = is_javascript(language)
    allowed = _SAFE if javascript else WIRE_INTEGERS
    reader = "JavaScript" if javascript else "64 bits"
    for at, part in _parts(value, ()):
        if type(part) is int and part not in allowed:
            text = f"{part} does not fit into {reader}, and would be changed: pass it as text"
            raise violation(function_id, "input", "unsafe_integer", at, text)
        if javascript and is_object(part) and _LOST_KEY in part:
            text = f"a key {_LOST_KEY} gets lost on its way into JavaScript"
            raise violation(function_id, "input", "unsafe_key", (*at, _LOST_KEY), text)


def _is_deep(value: Json) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [inner for part in level for inner in _items(part)]
        if not level:
            return False
    return True


def _items(value: Json) -> list[Json]:
    if is_object(value):
        return list(value.values())
    return value if is_array(value) else []


def as_sent(language: str | None, value: Json) -> Json:
    """A result as its worker meant it: large numbers of JavaScript are floats without a point."""
    if not is_javascript(language):
        return value
    if type(value) is int:
        return value if value in _SAFE else float(value)
    if is_array(value):
        return [as_sent(language, item) for item in value]
    if is_object(value):
        return {key: as_sent(language, item) for key, item in value.items()}
    return value


def _parts(value: Json, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    yield at, value
    if is_array(value):
        for index, item in enumerate(value):
            yield from _parts(item, (*at, index))
    elif is_object(value):
        for key, item in value.items():
            yield from _parts(item, (*at, key))


@dataclass(frozen=True, slots=True)
class TypedContract:
    """A `RemoteContract` of generated types.

    Attributes:
        id: Of the function.
        takes: Type of the input; a `Model` is given by keyword.
        gives: Type of the result.
        failures: Declared failures, by their names on the wire.
        language: Of the worker.
    """

    id: str
    takes: Any
    gives: Any
    failures: Mapping[str, type[Failure]]
    language: str | None = None

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """See `RemoteContract.encode_input`."""
        given = args[0] if args else self._by_alias(kwargs)
        text = self._text("input", given)
        self._checked("input", self.takes, text)
        check_portable(self.id, self.language, json.loads(text))
        return text

    def _by_alias(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if not _is_model(self.takes):
            return dict(kwargs)
        known = self.takes.model_fields
        return {_alias(known, name): value for name, value in kwargs.items()}

    def _text(self, where: Side, value: Any) -> str:
        return sized_text(self.id, where, lambda: to_jsonable_python(value, by_alias=True))

    def _checked(self, where: Side, annotation: Any, text: str) -> Any:
        try:
            return _adapter(annotation).validate_json(text, by_alias=True, by_name=False)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            errors = tuple((d["type"], d["loc"], d["msg"]) for d in details)
            raise ContractViolation(task=self.id, where=where, errors=errors) from None

    def decode_input(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See `RemoteContract.decode_input`."""
        value = self._checked("input", self.takes, text)
        if isinstance(value, BaseModel):
            given = {name: getattr(value, name) for name in value.model_fields_set}
            return (), given
        return ((), dict(value)) if is_object(value) else ((value,), {})

    def encode_output(self, value: Any) -> str:
        """See `RemoteContract.encode_output`."""
        text = self._text("output", value)
        self._checked("output", self.gives, text)
        return text

    def decode_output(self, text: str) -> Any:
        """See `RemoteContract.decode_output`."""
        if is_javascript(self.language):
            text = json.dumps(as_sent(self.language, json.loads(text)), ensure_ascii=False)
        return self._checked("output", self.gives, text)

    def decode_failure(self, name: str, text: str, *, listed: bool) -> Failure | None:
        """See `RemoteContract.decode_failure`."""
        if name not in self.failures:
            return None
        found: Failure = self._checked("output", self.failures[name], text)
        return found

    def encode_failure(self, error: Exception) -> tuple[str, str] | None:
        """See `RemoteContract.encode_failure`."""
        for name, cls in self.failures.items():
            if type(error) is cls:
                return name, _adapter(cls).dump_json(error, by_alias=True).decode()
        return None

    def read(self, published: Published) -> "TypedContract":
        """Itself: generated types are the contract, whatever is published now."""
        return self


def typed_remote(
    contracts: Mapping[str, TypedContract], function_id: str, replayable: bool, timeout: float
) -> RemoteFunction:
    """A function that generated types are known of.

    Raises:
        TypeError: There are none; `agentfx gen` makes them.
    """
    contract = contracts.get(function_id)
    if contract is None:
        raise TypeError(
            f"no generated contract for {function_id}: run `agentfx gen` again, or use the "
            "remote of agentfx"
        )
    return RemoteFunction(function_id, contract, contract.read, timeout, replayable)


def _alias(known: Mapping[str, FieldInfo], name: str) -> str:
    alias = known[name].serialization_alias if name in known else None
    return name if alias is None else alias


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


@cache
def _kept(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return _kept(annotation)
    except TypeError:  # metadata that cannot be hashed
        return TypeAdapter(annotation)
