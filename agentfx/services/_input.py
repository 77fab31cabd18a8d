"""What a function was called with, read field by field, with the messages of the reference."""

from typing import NoReturn

import orjson

from agentfx.services._host import FunctionError
from agentfx.wire import Json, is_array, is_object


class Input:
    """The object a function was called with; unknown fields are ignored.

    Args:
        function_id: Named in the errors.
        data: The payload.

    Raises:
        FunctionError: `deserialization_error`, here and in every method: a required field is
            missing, or one has another type. A null in an optional field counts as absent.
    """

    def __init__(self, function_id: str, data: Json) -> None:
        self._function_id = function_id
        if not is_object(data):
            self.refuse(f"invalid type: {_described(data)}, expected an object")
        self._fields = data

    def refuse(self, why: str) -> NoReturn:
        """Raise the error of a payload that cannot be read."""
        raise FunctionError(
            "deserialization_error", f"Failed to deserialize input for {self._function_id}: {why}"
        )

    def has(self, name: str) -> bool:
        """Whether a field is present and not null."""
        return self._fields.get(name) is not None

    def value(self, name: str, *aliases: str) -> Json:
        """A required field of any type, null included."""
        for candidate in (name, *aliases):
            if candidate in self._fields:
                return self._fields[candidate]
        self.refuse(f"missing field `{name}`")

    def text(self, name: str, *aliases: str) -> str:
        """A required string."""
        value = self.value(name, *aliases)
        if not isinstance(value, str):
            self._mismatch(value, "a string")
        return value

    def text_or_none(self, name: str, *aliases: str) -> str | None:
        """An optional string."""
        for candidate in (name, *aliases):
            value = self._fields.get(candidate)
            if isinstance(value, str):
                return value
            if value is not None:
                self._mismatch(value, "a string")
        return None

    def number(self, name: str, default: int) -> int:
        """An optional integer that is not negative."""
        value = self._fields.get(name)
        if value is None:
            return default
        if type(value) is not int or value < 0:
            self._mismatch(value, "usize")
        return value

    def flag(self, name: str) -> bool:
        """An optional boolean, False by default."""
        value = self._fields.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._mismatch(value, "a boolean")

    def items(self, name: str) -> list[Json]:
        """A required array."""
        value = self.value(name)
        if not is_array(value):
            self._mismatch(value, "a sequence")
        return value

    def texts(self, name: str) -> list[str] | None:
        """An optional array of strings."""
        if not self.has(name):
            return None
        found: list[str] = []
        for item in self.items(name):
            if not isinstance(item, str):
                self._mismatch(item, "a string")
            found.append(item)
        return found

    def _mismatch(self, value: Json, expected: str) -> NoReturn:
        self.refuse(f"invalid type: {_described(value)}, expected {expected}")


def _described(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{'true' if value else 'false'}`"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f"string {orjson.dumps(value).decode()}"
        case _:
            return "sequence" if is_array(value) else "map"
