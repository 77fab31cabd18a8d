"""What no message could carry is refused before it is sent, with and without types."""

import json
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import Published, RemoteContract
from agentfx.contracts import TypedContract
from agentfx.contracts._untyped import Untyped


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


REFUSED: dict[str, tuple[str | None, Any, str]] = {
    "null": (None, None, "null_input"),
    "too deep": (None, nested(121), "too_deep"),
    "beyond 64 bits": (None, [2**64], "unsafe_integer"),
    "beyond 2^53 in JavaScript": ("node", {"a": [2**53]}, "unsafe_integer"),
    "a key that JavaScript loses": ("node", [{"__proto__": 1}], "unsafe_key"),
}
CARRIED: dict[str, tuple[str | None, Any]] = {
    "deep": (None, nested(120)),
    "64 bits": (None, [2**64 - 1, -(2**63)]),
    "beyond 2^53": ("python", [2**53]),
    "safe in JavaScript": ("node", [2**53 - 1, -(2**53) + 1, None]),
}


def contracts(language: str | None) -> list[RemoteContract]:
    return [
        Untyped("a::b", Published(language=language)),
        TypedContract("a::b", Any, Any, {}, language),
    ]


@pytest.mark.parametrize("typed", [False, True], ids=["untyped", "typed"])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, typed: bool) -> None:
    language, value, kind = REFUSED[name]
    with pytest.raises(fx.ContractViolation) as caught:
        contracts(language)[typed].encode_input((value,), {})
    assert caught.value.where == "input"
    assert caught.value.errors[0][0] == kind


@pytest.mark.parametrize("typed", [False, True], ids=["untyped", "typed"])
@pytest.mark.parametrize("name", CARRIED)
def test_carried(name: str, typed: bool) -> None:
    language, value = CARRIED[name]
    assert json.loads(contracts(language)[typed].encode_input((value,), {})) == value
