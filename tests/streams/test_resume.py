"""A stream goes on where its driver died: at every call that the driver makes."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from itertools import groupby
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.interpreters import BackendLostError, NonDeterminismError
from tests.streams.clock import ManualClock, on_backend
from tests.streams.mortal import Mortal, World

worked: Counter[str] = Counter()
TIMES = (0, 1, 2, 6, 7)


@pytest.fixture(autouse=True)
def _nothing_worked() -> None:
    worked.clear()


class Boom(fx.Failure):
    pass


@fx.task("streams::work")
async def work(n: int, kind: str) -> int:
    worked[f"{kind} {n}"] += 1
    return n


Build = Callable[[World, ManualClock], AnyEffect]


def source(clock: ManualClock) -> fx.Stream[int]:
    begin = clock.now

    async def items(known: int) -> AsyncGenerator[int, None]:
        for number, moment in list(enumerate(TIMES))[known:]:
            await clock.sleep(begin + moment - clock.now)
            yield number

    return fx.Stream.from_async_iterable(items)


def switching(world: World, clock: ManualClock) -> AnyEffect:
    def body(n: int, fence: fx.Fence) -> AnyEffect:
        # Inputs 0 and 3 are overtaken after half a second of work, 1 while it waits.
        thought = (
            fx.sleep(0.5).flat_map(lambda _: work(n, "think")).zip(fx.sleep(1 if n < 3 else 2))
        )
        sent = thought.flat_map(lambda _: fence.guard(world.effect(f"send {n}").map(lambda _: n)))
        return sent.ensuring(world.effect(f"clean {n}"))

    return source(clock).switch_map(body).to_list()


def merging(world: World, clock: ManualClock) -> AnyEffect:
    def body(n: int) -> AnyEffect:
        return work(n, "merge").zip(fx.sleep(3 - n % 2)).flat_map(lambda _: work(n, "again"))

    return source(clock).debounce(0.5).merge_map(body, 2).take(4).to_list()


def nesting(world: World, clock: ManualClock) -> AnyEffect:
    def inner(n: int) -> AnyEffect:
        stream = fx.Stream.of(n, n + 10).merge_map(lambda m: work(m, "inner"))
        return stream.switch_map(lambda m, fence: fence.guard(work(m, "guarded"))).to_list()

    return fx.Stream.of(1, 2).concat_map(inner).to_list().flat_map(lambda all_: work(9, "after"))


async def whole_run(build: Build) -> tuple[Mortal, World, fx.Exit[Any, Any]]:
    backend, clock = Mortal(), ManualClock()
    world = World(backend)
    return backend, world, await on_backend(build(world, clock), clock, backend)


async def run_with_a_death(build: Build, point: int) -> tuple[Mortal, World, fx.Exit[Any, Any]]:
    worked.clear()
    backend, clock = Mortal(), ManualClock()
    world, backend.dies_at = World(backend), point
    program = build(world, clock)
    with pytest.raises(BackendLostError):
        await on_backend(program, clock, backend)
    await backend.next_driver("run")
    world.before = Counter(world.seen)
    return backend, world, await on_backend(program, clock, backend)


@pytest.mark.parametrize("build", [switching, merging, nesting])
async def test_a_driver_may_die_at_every_call_it_makes(build: Build) -> None:
    backend, _, whole = await whole_run(build)
    assert isinstance(whole, fx.Ok)
    wanted = dict(worked)
    assert backend.calls > 20
    for point in range(1, backend.calls + 1):
        _, world, exit_ = await run_with_a_death(build, point)
        # Finished jobs are not run again; time goes on, so an input may come to its end now
        # that was overtaken then.
        assert set(worked.values()) <= {1}, (point, worked)
        if build is switching:
            assert_sends(world, exit_, point)
            continue
        assert dict(worked) == wanted, point
        assert in_any_order(exit_) == in_any_order(whole), point


def in_any_order(exit_: fx.Exit[Any, Any]) -> list[int]:
    value: list[int] | int = exit_.unwrap()
    return [value] if isinstance(value, int) else sorted(value)


def assert_sends(world: World, exit_: fx.Exit[Any, Any], point: int) -> None:
    sends = {what: times for what, times in world.seen.items() if what.startswith("send")}
    assert set(sends.values()) <= {1}, (point, sends)
    match exit_:
        case fx.Ok(values):
            assert {f"send {n}" for n in values} == set(sends), point
        case fx.Err(error):  # never silent: it may have been sent, and nobody knows
            assert isinstance(error, fx.Superseded)
            assert error.reason == "uncertain"
    begun = {what.split()[1] for what in [*sends, *worked]}
    assert begun <= {what.split()[1] for what in world.seen if what.startswith("clean")}, point


async def test_both_ends_of_a_crash_at_the_claim_are_met() -> None:
    backend, _, _ = await whole_run(switching)
    exits = [(await run_with_a_death(switching, p))[1:] for p in range(1, backend.calls + 1)]
    uncertain = [world for world, exit_ in exits if isinstance(exit_, fx.Err)]
    assert {world.seen["send 4"] for world in uncertain} >= {0, 1}


def locking(world: World, clock: ManualClock) -> AnyEffect:
    def body(n: int, fence: fx.Fence) -> AnyEffect:
        locked = world.effect(f"lock {n}").zip(fx.sleep(3))
        worked = locked.flat_map(lambda _: world.effect(f"work {n}"))
        return worked.ensuring(world.effect(f"unlock {n}"))

    return source(clock).take(2).switch_map(body).to_list()


async def test_a_dead_drivers_cleanup_is_made_up_for() -> None:
    """It died after an input was on record, before what this overtook had cleaned up."""
    whole, world, _ = await whole_run(locking)
    assert world.seen == {"lock 0": 1, "unlock 0": 1, "lock 1": 1, "work 1": 1, "unlock 1": 1}
    made_up_for = 0
    for point in range(1, whole.calls + 1):
        _, world, exit_ = await run_with_a_death(locking, point)
        assert exit_ == fx.Ok(["work 1"])
        assert world.seen["work 0"] == 0
        if world.seen["lock 0"]:
            assert world.seen["unlock 0"] in (1, 2)
            made_up_for += "unlock 0" not in world.before
    assert made_up_for > 2


async def test_a_source_that_has_ended_is_not_read_again() -> None:
    """A plain iterable begins anew; that it had ended is on record."""

    class Once:
        def __aiter__(self) -> AsyncGenerator[int, None]:
            return self._items()

        async def _items(self) -> AsyncGenerator[int, None]:
            for number in (1, 2):
                yield number

    def late(n: int) -> AnyEffect:
        return fx.sleep(5).flat_map(lambda _: work(n, "late"))

    def build(world: World, clock: ManualClock) -> AnyEffect:
        return fx.Stream.from_async_iterable(Once()).merge_map(late).to_list()

    whole, _, exit_ = await whole_run(build)
    assert exit_ == fx.Ok([1, 2])
    found = [(await run_with_a_death(build, p))[2].unwrap() for p in range(1, whole.calls + 1)]
    # None, one, two items are on record, and come again; then the end is, and they do not.
    assert [n for n, _ in groupby(len(values) for values in found)] == [2, 3, 4, 2]


def _shared(world: World, n: int) -> AnyEffect:
    def body(m: int, fence: fx.Fence) -> AnyEffect:
        return fence.guard(work(m, "job").flat_map(lambda _: world.effect(f"send {m}")))

    return fx.Stream.of(n).switch_map(body, fence="shared").to_list()


async def test_what_was_overtaken_while_its_driver_was_dead_is_not_gone_on_with() -> None:
    """The fence was passed, the effect not yet begun; then another run went on."""
    whole, _, _ = await whole_run(lambda world, clock: _shared(world, 1))
    reasons: set[str] = set()
    for point in range(1, whole.calls + 1):
        worked.clear()
        backend, clock = Mortal(), ManualClock()
        world, backend.dies_at = World(backend), point
        with pytest.raises(BackendLostError):
            await on_backend(_shared(world, 1), clock, backend, "old")
        sent = world.seen["send 1"]
        await backend.next_driver("old")
        assert await on_backend(_shared(world, 2), clock, backend, "new") == fx.Ok(["send 2"])
        jobs = worked["job 1"]
        exit_ = await on_backend(_shared(world, 1), clock, backend, "old")
        if isinstance(exit_, fx.Err):
            assert isinstance(exit_.error, fx.Superseded)
            reasons.add(exit_.error.reason)
            # Nothing more came of it.
            assert (world.seen["send 1"], worked["job 1"]) == (sent, jobs)
        assert world.seen["send 1"] <= 1
    assert reasons == {"newer", "uncertain"}


async def test_another_program_at_a_known_place_is_named() -> None:
    def build(guarded: bool) -> AnyEffect:
        def body(n: int, fence: fx.Fence) -> AnyEffect:
            effect: AnyEffect = work(n, "x")
            return fence.guard(effect) if guarded else World(Mortal()).effect("x")

        return fx.Stream.of(1).switch_map(body).concat_map(lambda n: work(n, "y")).to_list()

    backend, clock = Mortal(), ManualClock()
    backend.dies_at = 12
    with pytest.raises(BackendLostError):
        await on_backend(build(True), clock, backend)
    await backend.next_driver("run")
    with pytest.raises(NonDeterminismError, match="fence"):
        await on_backend(build(False), clock, backend)


async def test_fences_go_when_the_stream_ends_and_stay_while_it_may_go_on() -> None:
    backend, clock = Mortal(), ManualClock()

    def program(fails: bool) -> AnyEffect:
        def body(n: int, fence: fx.Fence) -> AnyEffect:
            last: AnyEffect = fx.fail(Boom()) if fails else fx.succeed(n)
            return fence.guard(work(n, "x")).flat_map(lambda _: last)

        return fx.Stream.of(1).switch_map(body).to_list()

    assert isinstance(await on_backend(program(False), clock, backend, "a"), fx.Ok)
    assert backend.fences == []
    assert isinstance(await on_backend(program(True), clock, backend, "b"), fx.Err)
    assert len(backend.fences) == 1
