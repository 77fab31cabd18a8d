"""What is on record beside results: when a wait is over, and how a fan-out ended."""

import json
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.interpreters import BackendLostError, RunDriver
from agentfx.jobs import chance, job_id
from agentfx.testing import InMemoryBackend
from tests.interpreters.clock import StepClock

WAITED_SECONDS = 0.5
"""Waits of programs are longer, those of the driver itself shorter."""


class Boom(fx.Failure):
    n: int


@fx.task("journaled::fails", raises=Boom)
async def fails(n: int) -> int:
    raise Boom(n=n)


@fx.task("journaled::odd", raises=Boom)
async def odd(n: int) -> int:
    if n % 2:
        raise Boom(n=n)
    return n


class Alarm(StepClock):
    """Notes the waits of a program; a driver may die so many seconds into the first one."""

    def __init__(self, now: float, dies_after: float | None = None) -> None:
        super().__init__()
        self.now, self._dies_after = now, dies_after
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds >= WAITED_SECONDS:
            self.waits.append(seconds)
            if self._dies_after is not None:
                self.now += self._dies_after
                raise BackendLostError("the driver dies here")
        await super().sleep(seconds)


async def drive(backend: InMemoryBackend, program: AnyEffect, clock: StepClock) -> Any:
    return await RunDriver(backend, "run", program, None, None, clock).run()


async def waits_of_both(program: AnyEffect, dies_after: float) -> tuple[list[float], list[float]]:
    """The waits of a driver that dies in its first one, and of the next driver."""
    backend = InMemoryBackend()
    first = Alarm(1_800_000_000.0, dies_after)
    with pytest.raises(BackendLostError):
        await drive(backend, program, first)
    await backend.release_run("run", 0)
    second = Alarm(first.now)
    await drive(backend, program, second)
    return first.waits, second.waits


async def test_a_wait_is_over_when_it_would_have_been() -> None:
    first, second = await waits_of_both(fx.sleep(100.0), 40.0)
    assert (first, second) == ([100.0], [60.0])


async def test_a_wait_that_ended_while_nobody_drove_takes_no_time() -> None:
    assert await waits_of_both(fx.sleep(100.0), 1000.0) == ([100.0], [])


async def test_a_delay_between_attempts_is_the_jobs_own_and_goes_on() -> None:
    program = fails(1).retry(fx.exponential(100.0, cap=100.0, attempts=2)).either()
    first, second = await waits_of_both(program, 10.0)
    delay = 100.0 * (0.5 + 0.5 * chance(job_id("run", "1", 1)))
    assert first == [pytest.approx(delay)]
    assert second == [pytest.approx(delay - 10.0)]


async def test_how_a_fan_out_failed_is_on_record_at_its_own_path() -> None:
    backend = InMemoryBackend()
    exit_ = await drive(backend, odd.for_each([0, 1, 2, 3]), StepClock())
    assert exit_ == fx.Err(Boom(n=1))
    page = await backend.read_run("run", None)
    assert [(step.path, json.loads(step.value)[0]) for step in page.steps] == [("1", "1/1")]
