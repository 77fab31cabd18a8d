"""The contract of a function that no generated types are known of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentfx.algebra import (
    ContractViolation,
    Failure,
    Published,
    RemoteContract,
    RemoteFunction,
    sized_text,
)
from agentfx.contracts._accept import problems
from agentfx.contracts._portable import Side, as_sent, check_portable
from agentfx.contracts._read import read_schema
from agentfx.contracts._shape import Shapes
from agentfx.wire import Json, is_object


class RemoteFailure(Failure):
    """A failure that another worker declares, where no generated types are known of it.

    Attributes:
        name: Of the failure, as its worker lists it.
        fields: Its fields.
    """

    name: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}: {json.dumps(self.fields, ensure_ascii=False)}"


class Untyped:
    """A `RemoteContract` in which values are plain JSON values.

    Args:
        function_id: Of the function.
        published: What its worker publishes; without it everything that is JSON goes.
    """

    def __init__(self, function_id: str, published: Published) -> None:
        self._id, self._published = function_id, published

    @cached_property
    def _takes(self) -> Shapes:
        return read_schema(self._published.request, "input")

    @cached_property
    def _gives(self) -> Shapes:
        return read_schema(self._published.response, "result")

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """See `RemoteContract.encode_input`."""
        text = sized_text(self._id, "input", lambda: args[0] if args else dict(kwargs))
        value = json.loads(text)
        self._check("input", self._takes, value)
        check_portable(self._id, self._published.language, value)
        return text

    def decode_input(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See `RemoteContract.decode_input`."""
        value: Json = json.loads(text)
        return ((), value) if is_object(value) else ((value,), {})

    def encode_output(self, value: Any) -> str:
        """See `RemoteContract.encode_output`."""
        text = sized_text(self._id, "output", lambda: value)
        self._check("output", self._gives, json.loads(text))
        return text

    def decode_output(self, text: str) -> Any:
        """See `RemoteContract.decode_output`."""
        value = as_sent(self._published.language, json.loads(text))
        self._check("output", self._gives, value)
        return value

    def _check(self, where: Side, shapes: Shapes, value: Json) -> None:
        if found := problems(shapes, value):
            raise ContractViolation(task=self._id, where=where, errors=tuple(found))

    def decode_failure(self, name: str, text: str, *, listed: bool) -> Failure | None:
        """See `RemoteContract.decode_failure`."""
        return RemoteFailure(name=name, fields=json.loads(text)) if listed else None

    def encode_failure(self, error: Exception) -> tuple[str, str] | None:
        """See `RemoteContract.encode_failure`."""
        if not isinstance(error, RemoteFailure):
            return None
        return error.name, sized_text(self._id, "failure", lambda: error.fields)


@dataclass(frozen=True, slots=True)
class _Read:
    """Reads a contract; equal to another one for the same function."""

    function_id: str

    def __call__(self, published: Published) -> RemoteContract:
        return Untyped(self.function_id, published)


def untyped_remote(function_id: str, timeout: float, *, replayable: bool) -> RemoteFunction:
    """A function whose contract is what its worker publishes when it is called."""
    return RemoteFunction(function_id, None, _Read(function_id), timeout, replayable)
