"""The contract of a function that no generated types are known of."""

import json
from collections.abc import Mapping
from typing import Any

from agentfx.algebra import Failure, Published, RemoteContract, sized_text
from agentfx.wire import Json, is_object


class RemoteFailure(Failure):
    """A failure that another worker declares, where no generated types are known of it.

    Attributes:
        name: Of the failure, as its worker lists it.
        values: Its fields.
    """

    name: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}: {json.dumps(self.fields, ensure_ascii=False)}"


class Untyped:
    """A `RemoteContract` in which values are plain JSON values."""

    def __init__(self, published: Published) -> None:
        self._published = published

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """See `RemoteContract.encode_input`."""
        return sized_text("", "input", lambda: args[0] if args else dict(kwargs))

    def decode_input(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """See `RemoteContract.decode_input`."""
        value: Json = json.loads(text)
        return ((), value) if is_object(value) else ((value,), {})

    def encode_output(self, value: Any) -> str:
        """See `RemoteContract.encode_output`."""
        return sized_text("", "output", lambda: value)

    def decode_output(self, text: str) -> Any:
        """See `RemoteContract.decode_output`."""
        return json.loads(text)

    def decode_failure(self, name: str, text: str, *, listed: bool) -> Failure | None:
        """See `RemoteContract.decode_failure`."""
        return RemoteFailure(name=name, fields=json.loads(text)) if listed else None

    def declares(self, error: Exception) -> bool:
        """See `RemoteContract.declares`."""
        return isinstance(error, RemoteFailure)


def read_contract(published: Published) -> RemoteContract:
    """The contract that a worker publishes."""
    return Untyped(published)
