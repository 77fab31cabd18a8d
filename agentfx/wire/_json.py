"""JSON as it crosses the wire."""

from typing import Any, Final, TypeAlias, TypeGuard, final

# A recursive alias would refuse `dict[str, str]` where JSON is wanted, since dicts are invariant.
Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, a list of them or a dict from str to them."""


@final
class JsonNull:
    """The type of `NULL`."""

    def __repr__(self) -> str:
        return "NULL"


NULL: Final = JsonNull()
"""The answer of a function that has a value, namely null; a plain None means it has none."""


def is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Json) -> TypeGuard[list[Json]]:
    """Whether a value is a JSON array."""
    return isinstance(value, list)
