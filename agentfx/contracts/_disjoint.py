"""Whether shapes have no value in common, as far as that can be told."""

import json
from collections.abc import Sequence
from itertools import combinations

from agentfx.contracts._shape import (
    Boolean,
    Listing,
    Mapping,
    Named,
    Null,
    Numeric,
    OneOfValues,
    Record,
    Row,
    Shape,
    Text,
)
from agentfx.contracts._types import canonical


def are_disjoint(shapes: Sequence[Shape], named: dict[str, Shape]) -> bool:
    """Whether no value can have two of these shapes; False where that is unclear.

    Args:
        shapes: Branches of a `oneOf`.
        named: The definitions that they may refer to.
    """
    resolved = [named.get(s.name, s) if isinstance(s, Named) else s for s in shapes]
    apart = all(_disjoint(one, other) for one, other in combinations(resolved, 2))
    return apart or _tagged_apart(resolved)


def _disjoint(left: Shape, right: Shape) -> bool:
    if isinstance(left, OneOfValues) and isinstance(right, OneOfValues):
        mine = [canonical(json.loads(text)) for text in left.values]
        return not any(canonical(json.loads(text)) in mine for text in right.values)
    return not _types_of(left) & _types_of(right)


def _tagged_apart(shapes: Sequence[Shape]) -> bool:
    """Whether a required property has other values in each branch."""
    tags: list[dict[str, set[str]]] = []
    for record in shapes:
        if not isinstance(record, Record):
            return False
        tags.append(
            {
                f.name: set(f.shape.values)
                for f in record.fields
                if f.required and isinstance(f.shape, OneOfValues)
            }
        )
    common = set(tags[0]).intersection(*tags[1:])
    return any(
        sum(len(t[name]) for t in tags) == len(set[str]().union(*(t[name] for t in tags)))
        for name in common
    )


def _types_of(shape: Shape) -> frozenset[str]:
    match shape:
        case Null():
            return frozenset({"null"})
        case Boolean():
            return frozenset({"boolean"})
        case Numeric():
            return frozenset({"number"})
        case Text():
            return frozenset({"string"})
        case Listing() | Row():
            return frozenset({"array"})
        case Record() | Mapping():
            return frozenset({"object"})
        case OneOfValues(values):
            return frozenset(_TYPE_NAMES[type(json.loads(text))] for text in values)
        case _:
            return frozenset({"null", "boolean", "number", "string", "array", "object"})


_TYPE_NAMES: dict[type, str] = {
    type(None): "null", bool: "boolean", int: "number", float: "number", str: "string",
    list: "array", dict: "object",
}  # fmt: skip
