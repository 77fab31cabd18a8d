"""What crosses to another worker as it is: integers, nesting, keys; whatever the contract says."""

from collections.abc import Iterator
from typing import Literal

from agentfx.algebra import ContractViolation
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


def check_portable(function_id: str, language: str | None, value: Json) -> None:
    """Refuse what would not arrive as it is.

    Raises:
        ContractViolation: It is null, which no SDK sends; it is nested too deeply; an integer is
            too large for the wire, or for the other side's language; or a key is one that the
            SDK of JavaScript loses.
    """
    if value is None:
        text = "null is not sent as a whole input: call it without arguments"
        raise _violation(function_id, "null_input", (), text)
    if _is_deep(value):
        text = f"it is nested more than {MOST_DEPTH} deep, and would not arrive: pass it as text"
        raise _violation(function_id, "too_deep", (), text)
    javascript = is_javascript(language)
    allowed = _SAFE if javascript else WIRE_INTEGERS
    reader = "JavaScript" if javascript else "64 bits"
    for at, part in _parts(value, ()):
        if type(part) is int and part not in allowed:
            text = f"{part} does not fit into {reader}, and would be changed: pass it as text"
            raise _violation(function_id, "unsafe_integer", at, text)
        if javascript and is_object(part) and _LOST_KEY in part:
            text = f"a key {_LOST_KEY} gets lost on its way into JavaScript"
            raise _violation(function_id, "unsafe_key", (*at, _LOST_KEY), text)


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


def _violation(
    function_id: str, kind: str, at: tuple[str | int, ...], text: str
) -> ContractViolation:
    return ContractViolation(task=function_id, where="input", errors=((kind, at, text),))
