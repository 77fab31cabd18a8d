"""The operations of a `state::update`, read from its payload."""

from agentfx.services._input import Input
from agentfx.services.state._path import Path
from agentfx.services.state._update import (
    MAX_INTEGER,
    MIN_INTEGER,
    Add,
    Append,
    Merge,
    Operation,
    Remove,
    SetField,
)
from agentfx.wire import Json, is_array

UPDATE = "state::update"


def operations(asked: Input) -> list[Operation]:
    """Read `ops`.

    Raises:
        FunctionError: `deserialization_error`; then nothing of the update is done.
    """
    return [_operation(Input(UPDATE, item)) for item in asked.items("ops")]


def _operation(item: Input) -> Operation:
    kind = item.text("type")
    match kind:
        case "set":
            return SetField(_field(item), item.value("value") if item.has("value") else None)
        case "increment":
            return Add(kind, _field(item), _integer(item))
        case "decrement":
            return Add(kind, _field(item), -_integer(item))
        case "remove":
            return Remove(_field(item))
        case "merge":
            return Merge(_path(item), item.value("value"))
        case "append":
            return Append(_path(item), item.value("value"))
        case _:
            item.refuse(f"unknown variant `{kind}`")


def _field(item: Input) -> Path:
    path = item.text("path")
    return (path,) if path else ()


def _path(item: Input) -> Path:
    path: Json = item.value("path") if item.has("path") else None
    if is_array(path):
        return tuple(item.texts("path") or ())
    return _field(item) if item.has("path") else ()


def _integer(item: Input) -> int:
    by = item.value("by")
    if type(by) is not int or not MIN_INTEGER <= by <= MAX_INTEGER:
        item.refuse("invalid type: `by` is not a 64-bit integer")
    return by
