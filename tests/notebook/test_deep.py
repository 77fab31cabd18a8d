"""Displays of programs that are longer than Python's stack is deep."""

from collections.abc import Callable

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.notebook._effect import effect

DEEP = 100_000


def _one(n: int) -> int:
    return n + 1


def _then(n: int) -> fx.Effect[int]:
    return fx.succeed(n)


STEPS: dict[str, Callable[[AnyEffect], AnyEffect]] = {
    "map": lambda program: program.map(_one),
    "flat_map": lambda program: program.flat_map(_then),
    "catch_all": lambda program: program.catch_all(fx.fail),
    "zip": lambda program: fx.succeed(0).zip(program),
    "named": lambda program: program.named("n"),
    "timeout": lambda program: program.timeout(60),
}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("step", STEPS)
def test_a_hundred_thousand_nodes_are_shown(step: str) -> None:
    program: AnyEffect = fx.succeed(1)
    for _ in range(DEEP):
        program = STEPS[step](program)
    tree = effect(program)
    assert str(tree)
    assert tree._repr_html_().startswith("<div>")
