"""What streams mean, under both interpreters."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.interpreters import TooManyStepsError, ValueNotStorableError, _scope
from agentfx.interpreters._reading import MOST_BACKLOG
from tests.streams.clock import ManualClock
from tests.streams.conftest import Run

log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


class Boom(fx.Failure):
    n: int


class Point(BaseModel):
    x: int


@fx.task("streams::tenfold", raises=Boom)
async def tenfold(n: int) -> int:
    log.append(f"task {n}")
    if n == 13:
        raise Boom(n=n)
    return n * 10


def noted(text: str) -> fx.Effect[str]:
    async def f() -> str:
        log.append(text)
        return text

    return fx.attempt(f)


def doing(work: Callable[[], Awaitable[Any]]) -> fx.Effect[Any]:
    async def f() -> Any:
        return await work()

    return fx.attempt(f)


def after(seconds: float, text: str) -> fx.Effect[str]:
    return fx.sleep(seconds).flat_map(lambda _: noted(text))


async def forever() -> None:
    await asyncio.Event().wait()


def at(clock: ManualClock, *times: int) -> fx.Stream[int]:
    """Items that are the times at which they come."""

    async def source() -> AsyncGenerator[int, None]:
        begin = clock.now
        for moment in times:
            await clock.sleep(begin + moment - clock.now)
            yield moment

    return fx.Stream.from_async_iterable(source())


async def test_map_and_take(run: Run) -> None:
    assert await run(fx.Stream.of(1, 2, 3).map(lambda n: n * 2).take(2).to_list()) == fx.Ok([2, 4])


async def test_an_empty_stream(run: Run) -> None:
    nothing: fx.Stream[int] = fx.Stream.of()
    assert await run(nothing.concat_map(tenfold).to_list()) == fx.Ok([])


async def test_concat_map_keeps_the_order_and_runs_one_at_a_time(run: Run) -> None:
    program = fx.Stream.of(3, 1, 2).concat_map(lambda n: after(n, str(n))).to_list()
    assert await run(program) == fx.Ok(["3", "1", "2"])
    assert log == ["3", "1", "2"]


async def test_merge_map_gives_values_as_they_are_ready(run: Run) -> None:
    stream = fx.Stream.of(3, 1, 2)
    assert await run(stream.merge_map(lambda n: after(n, str(n))).to_list()) == fx.Ok(list("123"))
    log.clear()
    two = stream.merge_map(lambda n: after(n, str(n)), 2).to_list()
    assert (await run(two)).unwrap()[0] == "1"
    assert log[0] == "1"


async def test_tasks_run_in_a_stream(run: Run) -> None:
    assert await run(fx.Stream.of(1, 2).merge_map(tenfold).to_list()) == fx.Ok([10, 20])


async def test_debounce_waits_for_silence(run: Run, clock: ManualClock) -> None:
    stream = at(clock, 0, 1, 2, 10, 11, 20).debounce(3)
    assert await run(stream.to_list()) == fx.Ok([2, 11, 20])
    assert clock.now == 1_020  # the last one passes at the end


async def test_switch_map_runs_for_the_latest(run: Run, clock: ManualClock) -> None:
    stream = at(clock, 0, 1, 2, 10).switch_map(lambda t, fence: after(4, f"{t}/{fence.epoch}"))
    assert await run(stream.to_list()) == fx.Ok(["2/3", "10/4"])
    assert log == ["2/3", "10/4"]


async def test_what_is_overtaken_at_once_has_an_epoch_but_never_begins(run: Run) -> None:
    def body(n: int, fence: fx.Fence) -> fx.Effect[str]:
        log.append(f"began {n}")
        return noted(f"{n}/{fence.epoch}")

    assert await run(fx.Stream.of(1, 2, 3).switch_map(body).to_list()) == fx.Ok(["3/3"])
    assert log == ["began 3", "3/3"]


async def test_a_newer_item_cancels_and_cleans_up_at_once(run: Run, clock: ManualClock) -> None:
    def body(t: int, fence: fx.Fence) -> fx.Effect[Any]:
        return after(5, f"{t} done").ensuring(noted(f"{t} ended at {clock.now - 1_000:g}"))

    # The finalizer is made when the body is: what it notes is when that was.
    assert isinstance(await run(at(clock, 0, 2).switch_map(body).to_list()), fx.Ok)
    assert log == ["0 ended at 0", "2 done", "2 ended at 2"]


async def test_take_cancels_effects_timers_and_the_source(run: Run, clock: ManualClock) -> None:
    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
            await forever()
        finally:
            log.append("closed")

    def body(n: int) -> fx.Effect[Any]:
        return noted("1") if n == 1 else doing(forever).ensuring(noted("cleaned up"))

    stream = fx.Stream.from_async_iterable(source()).merge_map(body).take(1)
    assert await run(stream.concat_map(lambda v: after(1, v)).to_list()) == fx.Ok(["1"])
    assert log[-1] == "1"  # source and effects ended before that
    assert "closed" in log


async def test_a_failure_ends_the_stream_and_cancels_the_rest(run: Run) -> None:
    def body(n: int) -> fx.Effect[Any, Any]:
        return tenfold(n) if n == 13 else doing(forever).ensuring(noted("cleaned up"))

    exit_ = await run(fx.Stream.of(1, 13).merge_map(body).to_list())
    assert exit_ == fx.Err(Boom(n=13))
    assert isinstance(exit_, fx.Err)
    assert exit_.at == "1/1/2/1"
    assert log == ["task 13", "cleaned up"]


async def test_a_failure_can_be_caught_inside(run: Run) -> None:
    program = fx.Stream.of(1, 13).concat_map(lambda n: tenfold(n).either()).to_list()
    assert await run(program) == fx.Ok([fx.Ok(10), fx.Err(Boom(n=13))])


@pytest.mark.parametrize("place", ["map", "merge_map", "effect", "source"])
async def test_a_defect_is_raised_unchanged(run: Run, place: str) -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1 // 0

    programs: dict[str, AnyEffect] = {
        "map": fx.Stream.of(0).map(lambda n: 1 // n).to_list(),
        "merge_map": fx.Stream.of(0).merge_map(lambda n: fx.succeed(1 // n)).to_list(),
        "effect": fx.Stream.of(0).concat_map(lambda n: tenfold(n).map(lambda m: 1 // m)).to_list(),
        "source": fx.Stream.from_async_iterable(broken()).to_list(),
    }
    with pytest.raises(ZeroDivisionError) as caught:
        await run(programs[place].catch_all(lambda e: fx.succeed([])))
    assert any(note.startswith("agentfx: after step") for note in caught.value.__notes__)


@pytest.mark.parametrize("place", ["effect", "source"])
async def test_code_that_cancels_itself_does_not_hang_the_stream(run: Run, place: str) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise asyncio.CancelledError

    programs: dict[str, AnyEffect] = {
        "effect": fx.Stream.of(0).concat_map(lambda n: doing(cancelled)).to_list(),
        "source": fx.Stream.from_async_iterable(broken()).to_list(),
    }
    with pytest.raises(asyncio.CancelledError):
        await run(programs[place])


async def test_cancelling_the_run_cleans_everything_up(run: Run) -> None:
    body = doing(forever).ensuring(noted("cleaned up"))
    program = fx.Stream.of(1, 2).merge_map(lambda n: body).to_list().timeout(0.02)
    assert await run(program) == fx.Err(fx.TimedOut(seconds=0.02))
    assert log == ["cleaned up", "cleaned up"]


async def test_streams_nest(run: Run) -> None:
    def inner(n: int) -> fx.Effect[Any, Any]:
        return fx.Stream.of(n, n + 1).concat_map(tenfold).to_list()

    program = fx.Stream.of(1, 5).concat_map(inner).to_list()
    assert await run(program) == fx.Ok([[10, 20], [50, 60]])


async def test_streams_compose_with_everything_else(run: Run) -> None:
    stream = fx.Stream.of(1, 2).merge_map(tenfold).to_list()
    program = (
        stream.map(sum)
        .zip(stream.named("again"))
        .flat_map(lambda both: tenfold(both[0]).named("last").map(lambda last: (last, both[1])))
    )
    assert await run(program) == fx.Ok((300, [10, 20]))


async def test_items_come_back_as_their_type(run: Run) -> None:
    async def points() -> AsyncGenerator[Point, None]:
        yield Point(x=1)
        yield Point(x=2)

    stream = fx.Stream.from_async_iterable(points(), returns=Point)
    assert await run(stream.to_list()) == fx.Ok([Point(x=1), Point(x=2)])


async def test_an_item_that_no_journal_keeps_says_what_to_do(run: Run) -> None:
    async def things() -> AsyncGenerator[object, None]:
        yield object()

    with pytest.raises(ValueNotStorableError, match=r"from_async_iterable.*give returns= a type"):
        await run(fx.Stream.from_async_iterable(things()).to_list())


async def test_a_source_is_not_read_far_ahead(run: Run) -> None:
    read = 0
    ahead: list[int] = []

    async def source() -> AsyncGenerator[int, None]:
        nonlocal read
        for read in range(1, 4 * MOST_BACKLOG):
            yield read

    def body(n: int) -> fx.Effect[Any]:
        ahead.append(read - n)
        return fx.sleep(1)

    exit_ = await run(fx.Stream.from_async_iterable(source()).concat_map(body).to_list())
    assert len(exit_.unwrap()) == 4 * MOST_BACKLOG - 1
    assert max(ahead) <= MOST_BACKLOG + 2


async def test_a_source_that_is_none_is_named(run: Run) -> None:
    def wrong(known: int) -> Any:
        return [known]

    with pytest.raises(TypeError, match="reads an async iterable, not list"):
        await run(fx.Stream.from_async_iterable(wrong).to_list())


async def test_a_stream_that_is_not_collected_is_named(run: Run) -> None:
    wrong: Any = fx.Stream.of(1).map(str)
    with pytest.raises(TypeError, match=r"is a stream, not yet an effect: add \.to_list\(\)"):
        await run(wrong)


async def test_an_endless_stream_ends_at_the_limit_of_a_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scope, "STEP_LIMIT", 500)

    async def endless() -> AsyncGenerator[int, None]:
        while True:
            yield 0

    with pytest.raises(TooManyStepsError, match="500 durable steps"):
        await run(fx.Stream.from_async_iterable(endless()).debounce(1).to_list())


def test_wrong_arguments_are_refused_when_they_are_given() -> None:
    stream = fx.Stream.of(1)
    with pytest.raises(ValueError, match="from 0, not -1"):
        stream.take(-1)
    with pytest.raises(ValueError, match="not 0"):
        stream.debounce(0)
    with pytest.raises(ValueError, match="not 0"):
        stream.merge_map(tenfold, 0)


def test_a_stream_prints_as_it_was_written() -> None:
    stream = fx.Stream.of(1, 2).map(str).debounce(0.5).take(3)
    assert repr(stream) == "Stream.of(1, 2).map(str).debounce(0.5).take(3)"
    named = fx.Stream.of(*range(9)).merge_map(tenfold, 2).concat_map(tenfold).switch_map(switched)
    text = "Stream.of(9 items).merge_map(tenfold, 2).concat_map(tenfold).switch_map(switched)"
    assert repr(named.to_list()) == f"{text}.to_list()"


def switched(n: int, fence: fx.Fence) -> fx.Effect[int]:
    return fx.succeed(n)
