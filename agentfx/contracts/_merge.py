"""`allOf`: several schemas as one, where keyword by keyword they can be joined."""

from collections.abc import Callable
from typing import Any

from agentfx.contracts._shape import Schema
from agentfx.wire import is_array, is_object

Keywords = dict[str, Any]

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$comment", "$schema", "$id", "$defs", "definitions", "$anchor"}
)


class CannotMergeError(Exception):
    """Two schemas have no single schema that says the same, or none that we make."""


def merge(left: Keywords, right: Keywords) -> Keywords:
    """One schema that allows what both allow.

    Raises:
        CannotMergeError: They cannot be joined keyword by keyword.
    """
    merged = {**right, **left}
    for name in left.keys() & right.keys() - _ANNOTATIONS - {"properties", "additionalProperties"}:
        if left[name] == right[name]:
            continue
        join = _JOIN.get(name)
        if join is None:
            raise CannotMergeError(f"`allOf` with two different `{name}`")
        merged[name] = join(left[name], right[name])
    _properties(merged, left, right)
    return merged


def all_of(*schemas: Schema) -> Schema:
    """A schema that allows what all of these allow, without looking into them."""
    kept = [schema for schema in schemas if schema not in (True, {})]
    if any(schema is False for schema in kept):
        return False
    if len(kept) == 1:
        return kept[0]
    return {"allOf": kept} if kept else True


def _properties(merged: Keywords, left: Keywords, right: Keywords) -> None:
    mine, theirs = left.get("properties", {}), right.get("properties", {})
    rest_of_mine = left.get("additionalProperties", True)
    rest_of_theirs = right.get("additionalProperties", True)
    if mine or theirs:
        merged["properties"] = {
            name: all_of(mine.get(name, rest_of_mine), theirs.get(name, rest_of_theirs))
            for name in dict.fromkeys((*mine, *theirs))
        }
    if "additionalProperties" in left or "additionalProperties" in right:
        merged["additionalProperties"] = all_of(rest_of_mine, rest_of_theirs)


def _types(left: Any, right: Any) -> list[str]:
    mine, theirs = (value if is_array(value) else [value] for value in (left, right))
    both = [t for t in mine if t in theirs or (t == "integer" and "number" in theirs)]
    both += [t for t in theirs if t == "integer" and t not in both and "number" in mine]
    return both


def _union(left: list[Any], right: list[Any]) -> list[Any]:
    return list(dict.fromkeys((*left, *right)))


def _common(left: list[Any], right: list[Any]) -> list[Any]:
    return [value for value in left if value in right]


_JOIN: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "required": _union,
    "enum": _common,
    "items": all_of,
    "propertyNames": all_of,
    "uniqueItems": lambda a, b: bool(a or b),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}


def says_something(schema: Schema) -> bool:
    """Whether a schema has keywords beside annotations."""
    return not is_object(schema) or bool(schema.keys() - _ANNOTATIONS)
