"""For any timing of inputs, the effects that fire are those of a model of a few lines."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agentfx as fx
from tests.streams.clock import INTERPRETERS, ManualClock


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        gap: Seconds from the input before it.
        work: Seconds that its body takes; never a whole number, as gaps are.
        stubborn: Whether the body goes on though it is cancelled.
        guards: How many effects it wants to have, half a second apart.
    """

    gap: int
    work: float
    stubborn: bool
    guards: int


Fired = list[tuple[int, int, float]]
inputs = st.builds(
    Input,
    st.integers(0, 4),
    st.integers(0, 6).map(lambda n: n + 0.25),
    st.booleans(),
    st.integers(1, 3),
)


def model(given_: Sequence[Input]) -> Fired:
    """Which effects fire: input, number of the effect, and when."""
    fired: Fired = []
    at = 0
    for number, one in enumerate(given_):
        at += one.gap
        following = given_[number + 1 :]
        until = at + following[0].gap if following else float("inf")
        effects = [(number, effect, at + one.work + effect / 2) for effect in range(one.guards)]
        fired += [effect for effect in effects if effect[2] < until]
    return sorted(fired, key=lambda effect: effect[2])


class Case:
    """A run of inputs, and what it fires."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self.inputs = inputs
        self.clock = ManualClock()
        self.begin = self.clock.now
        self.fired: Fired = []
        self.epochs: list[int] = []

    async def source(self) -> AsyncGenerator[int, None]:
        for number, one in enumerate(self.inputs):
            await self.clock.sleep(one.gap)
            yield number

    async def stubborn(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.clock.now < until:
            with suppress(asyncio.CancelledError):
                await self.clock.sleep(until - self.clock.now)

    def work(self, one: Input) -> fx.Effect[Any]:
        return fx.attempt(lambda: self.stubborn(one.work)) if one.stubborn else fx.sleep(one.work)

    def effect(self, number: int, effect: int) -> fx.Effect[None]:
        async def fire() -> None:
            self.fired.append((number, effect, self.clock.now - self.begin))

        return fx.attempt(fire)

    @fx.do
    def body(self, number: int, fence: fx.Fence) -> fx.Do[int, fx.Superseded]:
        self.epochs.append(fence.epoch)
        yield from self.work(self.inputs[number])
        for n in range(self.inputs[number].guards):
            if n:
                yield from fx.sleep(0.5)
            yield from fence.guard(self.effect(number, n))
        return number

    async def run(self, interpreter: str) -> list[int]:
        """The values of the stream."""
        stream = fx.Stream.from_async_iterable(self.source()).switch_map(self.body)
        exit_ = await INTERPRETERS[interpreter](stream.to_list(), self.clock)
        values: list[int] = exit_.unwrap()
        return values


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@settings(max_examples=100, deadline=None)
@given(given_=st.lists(inputs, max_size=6))
async def test_the_effects_that_fire_are_those_of_the_model(
    interpreter: str, given_: list[Input]
) -> None:
    case = Case(given_)
    values = await case.run(interpreter)
    assert case.fired == model(given_)
    assert values == [n for n, effect, _ in case.fired if effect == given_[n].guards - 1]
    assert case.epochs == sorted(set(case.epochs))
