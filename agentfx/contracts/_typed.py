"""The contract of a function with generated types."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

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
from agentfx.contracts._portable import Side, as_sent, check_portable, is_javascript
from agentfx.wire import is_object


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
