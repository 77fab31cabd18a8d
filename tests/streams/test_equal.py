"""Random streams: the same exit in memory, on a backend, and after the death of a driver."""

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.interpreters import BackendLostError
from tests.streams.clock import ManualClock, in_memory, on_backend
from tests.streams.mortal import Mortal

ran: Counter[int] = Counter()


class Boom(fx.Failure):
    at: int


@fx.task("streams::step", raises=Boom)
async def step(number: int, fails: bool) -> int:
    ran[number] += 1
    if fails:
        raise Boom(at=number)
    return number


@dataclass(frozen=True)
class Item:
    """One item: the pause before it, the work it makes, and whether that fails."""

    gap: int
    work: int
    fails: bool


OPERATORS = ("map", "debounce", "take", "concat_map", "merge_map", "switch_map")
items = st.lists(
    st.builds(Item, st.integers(0, 5), st.integers(0, 7), st.sampled_from((False,) * 9 + (True,))),
    max_size=6,
)
operators = st.lists(
    st.tuples(st.sampled_from(OPERATORS), st.integers(1, 4)), min_size=1, max_size=4
)
Operators = list[tuple[str, int]]


class Case:
    """A stream whose moments are all different, so that its exit does not hang on luck."""

    def __init__(self, given_: list[Item], pipeline: Operators) -> None:
        self.items, self.pipeline = given_, pipeline
        self.clock = ManualClock()
        self.begin = self.clock.now

    async def source(self, known: int) -> AsyncGenerator[int, None]:
        moment = self.begin
        for number, item in enumerate(self.items):
            moment += item.gap + 2.0**-9 * (number + 1)
            if number >= known:
                await self.clock.sleep(moment - self.clock.now)
                yield number

    def body(self, stage: int, number: int) -> AnyEffect:
        item = self.items[number]
        # Another fraction of a second for each item and stage: no two end together.
        work = fx.sleep(item.work + 2.0**-3 / (7 * stage + number + 1))
        return work.flat_map(lambda _: step(100 * stage + number, item.fails)).map(lambda _: number)

    def program(self) -> AnyEffect:
        stream: fx.Stream[Any, Any] = fx.Stream.from_async_iterable(self.source)
        for stage, (name, number) in enumerate(self.pipeline):
            stream = self._with(stream, stage, name, number)
        return stream.to_list()

    def _with(
        self, stream: fx.Stream[Any, Any], stage: int, name: str, number: int
    ) -> fx.Stream[Any, Any]:
        match name:
            case "map":
                return stream.map(int)
            case "debounce":
                return stream.debounce(number + 0.3 / (stage + 1))
            case "take":
                return stream.take(number)
            case "concat_map":
                return stream.concat_map(lambda n: self.body(stage, n))
            case "merge_map":
                return stream.merge_map(lambda n: self.body(stage, n), number)
            case _:
                return stream.switch_map(lambda n, fence: fence.guard(self.body(stage, n)))


@settings(max_examples=150, deadline=None)
@given(items, operators)
async def test_memory_and_dist_have_the_same_exit_and_run_the_same(
    given_: list[Item], pipeline: Operators
) -> None:
    found: list[tuple[fx.Exit[Any, Any], dict[int, int]]] = []
    for interpret in (in_memory, on_backend):
        ran.clear()
        case = Case(given_, pipeline)
        found.append((await interpret(case.program(), case.clock), dict(ran)))
    assert found[0] == found[1]


@settings(max_examples=100, deadline=None)
@given(items, operators, st.data())
async def test_whatever_it_was_a_killed_driver_is_gone_on_for(
    given_: list[Item], pipeline: Operators, data: st.DataObject
) -> None:
    case, whole = Case(given_, pipeline), Mortal()
    await on_backend(case.program(), case.clock, whole)
    ran.clear()
    case, backend = Case(given_, pipeline), Mortal()
    backend.dies_at = data.draw(st.integers(1, whole.calls))
    with pytest.raises(BackendLostError):
        await on_backend(case.program(), case.clock, backend)
    await backend.next_driver("run")
    exit_ = await on_backend(case.program(), case.clock, backend)
    assert set(ran.values()) <= {1}  # jobs are found again
    match exit_:
        case fx.Ok(values):
            assert set(values) <= set(range(len(given_)))
        case fx.Err(Boom()):
            pass
        case fx.Err(error):
            raise error
    # It is over: whoever comes again gets the same, and nothing runs.
    ran.clear()
    assert await on_backend(case.program(), case.clock, backend) == exit_
    assert not ran
