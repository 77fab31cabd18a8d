"""Programs are a monad, up to their exits; under both interpreters, on random programs."""

# They are made by chance, so that nothing is known of their types.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.testing import InMemoryBackend, both_interpreters
from tests.interpreters.programs import (
    DICE,
    Boom,
    boom,
    crash,
    echo,
    flaky,
    number,
    numbers,
    programs,
)

Arrow = Callable[[Any], AnyEffect]

arrows: st.SearchStrategy[Arrow] = st.one_of(
    st.builds(lambda n: lambda value: fx.succeed(number(value) + n), numbers),
    st.builds(lambda n: lambda value: echo(number(value) + n), numbers),
    st.builds(lambda n: lambda value: boom(number(value) * n), numbers),
    st.builds(lambda n: lambda value: fx.fail(Boom(n=number(value) + n)), numbers),
    st.just(lambda value: crash(number(value)).either()),
    st.just(lambda value: flaky(abs(number(value)) % 3).retry(2)),
    st.builds(lambda inner: lambda value: inner.map(lambda a: (a, value)), programs),
)
quick = settings(max_examples=60, deadline=None)


async def exits(program: AnyEffect) -> fx.Exit[Any, Any]:
    return await both_interpreters(InMemoryBackend())(program, DICE)


@given(numbers, arrows)
@quick
async def test_succeed_is_a_left_identity(value: int, f: Arrow) -> None:
    assert await exits(fx.succeed(value).flat_map(f)) == await exits(f(value))


@given(programs)
@quick
async def test_succeed_is_a_right_identity(program: AnyEffect) -> None:
    assert await exits(program.flat_map(fx.succeed)) == await exits(program)


@given(programs, arrows, arrows)
@quick
async def test_flat_map_is_associative(program: AnyEffect, f: Arrow, g: Arrow) -> None:
    nested = program.flat_map(lambda value: f(value).flat_map(g))
    assert await exits(program.flat_map(f).flat_map(g)) == await exits(nested)


@given(programs)
@quick
async def test_map_is_flat_map_and_succeed(program: AnyEffect) -> None:
    mapped = program.map(lambda value: number(value) + 1)
    assert await exits(mapped) == await exits(
        program.flat_map(lambda value: fx.succeed(number(value) + 1))
    )


@given(programs, arrows)
@quick
async def test_failures_pass_flat_map_by(program: AnyEffect, f: Arrow) -> None:
    failed = await exits(program)
    if isinstance(failed, fx.Err):
        assert await exits(program.flat_map(f)) == failed


@given(programs)
@quick
async def test_fail_is_an_identity_of_catch_all(program: AnyEffect) -> None:
    assert await exits(program.catch_all(fx.fail)) == await exits(program)
