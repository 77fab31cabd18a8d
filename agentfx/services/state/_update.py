"""What `state::update` does to a value: pure, each operation wholly or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, final

from agentfx.services.state._path import Path, RefusalError, check_merge_value, check_path
from agentfx.wire import Json, is_array, is_object

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


@final
class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""The value of a key, or of a field, that does not exist."""


@dataclass(frozen=True, slots=True)
class SetField:
    """Set a field, or with an empty path the whole value."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class Add:
    """Add to a number; `kind` is the word it was asked for with, `by` has its sign already."""

    kind: str
    path: Path
    by: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a field, or make the whole value null."""

    path: Path


@dataclass(frozen=True, slots=True)
class Merge:
    """Put the fields of an object into an object."""

    path: Path
    value: Json


@dataclass(frozen=True, slots=True)
class Append:
    """Add to the end of an array or a string."""

    path: Path
    value: Json


Operation: TypeAlias = SetField | Add | Remove | Merge | Append


@dataclass(frozen=True, slots=True)
class Updated:
    """A value after an update, and what was refused of it: index, code and message."""

    value: Json
    errors: tuple[tuple[int, str, str], ...]


def update(value: Json, operations: Sequence[Operation]) -> Updated:
    """Apply operations in order; one that is refused is skipped, the others count.

    Args:
        value: The present value, not changed; `MISSING` if there is none.
        operations: What to do.
    """
    errors: list[tuple[int, str, str]] = []
    for index, operation in enumerate(operations):
        try:
            value = _apply(value, operation)
        except RefusalError as refusal:
            errors.append((index, refusal.code, refusal.message))
    return Updated({} if value is MISSING else value, tuple(errors))


def _apply(value: Json, operation: Operation) -> Json:
    match operation:
        case SetField(path, new):
            return new if not path else _in_field("set", value, path, lambda _: new)
        case Add(kind, path, by):
            if not path:
                return _sum(kind, value, by)
            return _in_field(kind, value, path, lambda old: _sum(kind, old, by))
        case Remove(path):
            return None if not path else _without(value, path)
        case Merge(path, fields):
            return _merge(value, path, fields)
        case Append(path, item):
            return _append(value, path, item)
        case _:
            assert_never(operation)


def _object(kind: str, value: Json) -> dict[str, Json]:
    if value is MISSING:
        return {}
    if not is_object(value):
        raise RefusalError(f"{kind}.target_not_object", "the value is not an object")
    return value


def _in_field(kind: str, value: Json, path: Path, change: Callable[[Json], Json]) -> Json:
    check_path(kind, path)
    fields = _object(kind, value)
    return {**fields, path[0]: change(fields.get(path[0], MISSING))}


def _without(value: Json, path: Path) -> Json:
    check_path("remove", path)
    return {name: field for name, field in _object("remove", value).items() if name != path[0]}


def _sum(kind: str, old: Json, by: int) -> Json:
    new = by if old is MISSING else old
    if isinstance(new, bool) or not isinstance(new, int | float):
        raise RefusalError(f"{kind}.not_number", "the present value is not a number")
    if old is not MISSING:
        new += by
    if isinstance(new, int) and not MIN_INTEGER <= new <= MAX_INTEGER:
        raise RefusalError(f"{kind}.not_number", "the result does not fit into 64 bits")
    return new


def _merge(value: Json, path: Path, fields: Json) -> Json:
    check_path("merge", path)
    fields = check_merge_value(fields)
    if path:
        return _at(value, path, lambda old: {**(old if is_object(old) else {}), **fields})
    if value is not MISSING and not is_object(value):
        return value  # the reference neither merges here nor complains
    return {**(value if is_object(value) else {}), **fields}


def _append(value: Json, path: Path, item: Json) -> Json:
    check_path("append", path)
    if not path:
        return _grown(value, item)
    fields = _object("append", value)
    if len(path) == 1:
        return _at(fields, path, lambda old: _grown(old, item))
    return _at(fields, path, lambda old: [item] if old is MISSING else _grown(old, item))


def _grown(old: Json, item: Json) -> Json:
    if old is MISSING or old is None:
        return item if isinstance(item, str) else [item]
    if is_array(old):
        return [*old, item]
    if isinstance(old, str) and isinstance(item, str):
        return old + item
    raise RefusalError("append.type_mismatch", "the present value cannot be appended to with this")


def _at(value: Json, path: Path, change: Callable[[Json], Json]) -> dict[str, Json]:
    """A copy of a value with one place changed; what is no object on the way becomes one."""
    fields = value if is_object(value) else {}
    inner = fields.get(path[0], MISSING)
    changed = change(inner) if len(path) == 1 else _at(inner, path[1:], change)
    return {**fields, path[0]: changed}
