"""A run goes on where its driver died: at every call that the driver makes."""

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.interpreters import (
    BackendLostError,
    JournalStep,
    NonDeterminismError,
    OpenedStep,
    OtherProgramError,
    RunDriver,
    RunEnd,
    RunEndedError,
    RunState,
    SupersededError,
    TooManyStepsError,
)
from agentfx.interpreters._scope import STEP_LIMIT, Scope, StepCount
from agentfx.jobs import Job
from agentfx.testing import InMemoryBackend
from tests.interpreters.clock import StepClock
from tests.waiting import eventually

ran: Counter[str] = Counter()
going_on = asyncio.Event()


class Boom(fx.Failure):
    n: int


@fx.task("resume::work", raises=Boom)
async def work(n: int) -> int:
    ran[f"work {n}"] += 1
    if n == 13:
        raise Boom(n=n)
    return n * 10


@fx.task("resume::stays")
async def stays(n: int) -> int:
    ran["stays"] += 1
    await going_on.wait()
    return n


@fx.task("resume::crash")
async def crash(n: int) -> int:
    ran[f"crash {n}"] += 1
    raise RuntimeError("no")


async def roll() -> int:
    ran["roll"] += 1
    return ran["roll"]


@fx.do
def story() -> fx.Do[list[Any], Any]:
    first = yield from fx.attempt(roll, returns=int)
    pages = yield from work.for_each([1, 2, 3], concurrency=2)
    yield from fx.sleep(0.001)
    second = yield from fx.attempt(roll, returns=int).timeout(60)
    failed = yield from work.for_each([4, 13, 5]).either()
    crashed = yield from crash(1).retry(fx.exponential(0.001, attempts=2)).either()
    return [first, pages, second, isinstance(failed, fx.Err), isinstance(crashed, fx.Err)]


class Mortal(InMemoryBackend):
    """Lets its driver die before or after its nth call; then serves the next driver."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_left: float = float("inf")
        self.calls = 0

    def _count(self) -> None:
        self.calls += 1
        self.calls_left -= 0.5
        if self.calls_left <= 0:
            raise BackendLostError("the driver dies here")

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[JournalStep]
    ) -> list[tuple[str, str]]:
        self._count()
        won = await super().put_once(run, epoch, steps)
        self._count()
        return won

    def submit(
        self, run: str, epoch: int, jobs: Sequence[Job], opened: Sequence[OpenedStep]
    ) -> None:
        super().submit(run, epoch, jobs, opened)

    async def end_run(self, run: str, epoch: int, end: RunEnd) -> tuple[RunState, str | None]:
        self._count()
        won = await super().end_run(run, epoch, end)
        self._count()
        return won


async def _drive(backend: Mortal, program: AnyEffect) -> fx.Exit[Any, Any]:
    return await RunDriver(backend, "run", program, None, None, StepClock()).run()


async def _calls_of_a_whole_run() -> int:
    backend = Mortal()
    await _drive(backend, story())
    return backend.calls


async def test_a_driver_may_die_at_every_call_it_makes() -> None:
    points = await _calls_of_a_whole_run()
    assert points > 15
    for point in range(1, points + 1):
        ran.clear()
        backend = Mortal()
        backend.calls_left = point / 2
        with pytest.raises(BackendLostError):
            await _drive(backend, story())
        backend.calls_left = float("inf")
        await backend.release_run("run", 0)  # what a backend does when a driver's link closes
        exit_ = await _drive(backend, story())
        assert isinstance(exit_, fx.Ok)
        first, pages, second, failed, crashed = exit_.value
        assert (pages, failed, crashed) == ([10, 20, 30], True, True)
        assert second > first
        # A capability may run twice, if the driver died between its effect and its record.
        assert 2 <= ran["roll"] <= 3
        assert all(times == 1 for what, times in ran.items() if what.startswith("work")), ran


async def test_a_finished_run_gives_its_recorded_exit() -> None:
    backend = Mortal()
    first = await _drive(backend, story())
    ran.clear()
    assert await _drive(backend, story()) == first
    assert not ran


def test_a_driver_that_is_refused_after_its_end_has_ended_well() -> None:
    said: list[dict[str, Any]] = []

    async def ended_and_refused() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        driver = RunDriver(Mortal(), "run", work(1), None, None, StepClock())
        assert await driver.run() == fx.Ok(10)
        driver.refused(RunEndedError("run"))

    asyncio.run(ended_and_refused())
    gc.collect()
    assert said == []


async def test_a_late_refusal_does_not_end_the_wait_of_who_is_attached() -> None:
    backend, program = Mortal(), stays(1)
    going_on.clear()
    first = asyncio.ensure_future(_drive(backend, program))
    await eventually(lambda: ran["stays"] == 1)
    watcher = RunDriver(backend, "run", program, None, None, StepClock())
    waiting = asyncio.ensure_future(watcher.run())
    await eventually(lambda: watcher._attached)
    refused = watcher._interrupt
    watcher.refused(SupersededError("of an epoch before it attached"))
    await eventually(lambda: watcher._interrupt is not refused and watcher._attached)
    going_on.set()
    assert await first == fx.Ok(1)
    watcher.released()  # this backend tells nobody but the driver
    assert await waiting == fx.Ok(1)


async def test_a_value_without_a_json_form_comes_back_by_a_replay() -> None:
    program = work(1).map(lambda n: {"f": object})
    backend = Mortal()
    first = await _drive(backend, program)
    ran.clear()
    assert await _drive(backend, program) == first
    assert not ran


async def _half(backend: Mortal, program: AnyEffect) -> None:
    with pytest.raises(ZeroDivisionError):
        await _drive(backend, program)


def _divide(n: int) -> int:
    return n // 0


async def test_a_defect_leaves_the_run_to_be_resumed() -> None:
    mended = False

    def f(n: int) -> int:
        return n if mended else _divide(n)

    backend, program = Mortal(), work(1).map(f)
    await _half(backend, program)
    mended = True
    ran.clear()
    assert await _drive(backend, program) == fx.Ok(10)
    assert not ran


async def test_another_input_at_a_known_step_is_named() -> None:
    inputs = [1]

    def f(_: int) -> fx.Effect[int, Any]:
        return work(inputs[0]).map(_divide if inputs == [1] else abs)

    backend, program = Mortal(), fx.succeed(0).flat_map(f)
    await _half(backend, program)
    inputs[0] = 2
    with pytest.raises(NonDeterminismError) as caught:
        await _drive(backend, program)
    assert caught.value.path == "1"
    assert 'resume::work({"n":1})' in str(caught.value)
    assert 'resume::work({"n":2})' in str(caught.value)


async def test_another_kind_of_step_is_named() -> None:
    steps: list[AnyEffect] = [fx.attempt(roll, returns=int)]

    def f(_: int) -> AnyEffect:
        return steps[0].map(_divide)

    backend, program = Mortal(), fx.succeed(0).flat_map(f)
    await _half(backend, program)

    async def other() -> int:
        return 1

    steps[0] = fx.attempt(other, returns=int)
    with pytest.raises(NonDeterminismError, match="was attempt roll when it ran"):
        await _drive(backend, program)


async def test_another_program_under_a_known_id_is_refused() -> None:
    backend = Mortal()
    await _half(backend, work(1).map(_divide))
    with pytest.raises(OtherProgramError):
        await _drive(backend, work(1))


async def test_a_run_has_a_bounded_number_of_steps() -> None:
    scope = Scope(StepCount())
    for _ in range(STEP_LIMIT):
        scope.step()
    with pytest.raises(TooManyStepsError, match="50,000 durable steps"):
        scope.step()


async def test_a_fan_out_counts_its_items() -> None:
    with pytest.raises(TooManyStepsError):
        await fx.run_memory(work.for_each(range(STEP_LIMIT + 1)))


async def test_for_each_par_is_refused_with_one_line() -> None:
    program: AnyEffect = fx.for_each_par([1], lambda n: fx.succeed(n), 2)
    with pytest.raises(TypeError, match=r"run_dist refuses it: use fx\.for_each"):
        await _drive(Mortal(), program)


@fx.task("resume::nested")
async def nested() -> int:
    exit_ = await fx.run_dist(work(1), backend=InMemoryBackend())
    return int(exit_.unwrap())


async def test_a_run_inside_a_task_is_refused_with_one_line() -> None:
    for exit_ in (await fx.run_memory(nested()), await _drive(Mortal(), nested())):
        assert isinstance(exit_, fx.Err)
        assert "task resume::nested starts a run" in str(exit_.error)
