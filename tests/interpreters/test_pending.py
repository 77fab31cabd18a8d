"""Jobs of which nothing is heard are asked for, and sent again if nobody knows them."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from agentfx.interpreters import BackendLostError, OpenedStep, SupersededError
from agentfx.interpreters._pending import CHECK_AT_ONCE, PendingJobs
from agentfx.jobs import Job, job_id
from agentfx.testing import InMemoryBackend
from tests.interpreters.clock import StepClock
from tests.waiting import eventually


class Forgetful(InMemoryBackend):
    """Keeps nothing of what it is sent, and remembers what it was asked."""

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self.clock = clock
        self.asked_at: list[float] = []
        self.sent: list[str] = []
        self.messages: list[int] = []
        self.asked: list[list[str]] = []
        self.known: set[str] = set()
        self.error: Exception | None = None

    def submit(
        self, run: str, epoch: int, jobs: Sequence[Job], opened: Sequence[OpenedStep]
    ) -> None:
        self.sent += [job.id for job in jobs]
        self.messages.append(len(jobs))

    async def unknown(self, run: str, epoch: int, ids: Sequence[str]) -> list[str]:
        if self.error is not None:
            raise self.error
        self.asked.append(list(ids))
        self.asked_at.append(self.clock.monotonic())
        return [one for one in ids if one not in self.known]


def job(number: int) -> Job:
    path = str(number)
    return Job(job_id("r", path, 1), "r", path, 1, "tests::work", "{}", path)


class Waiting:
    """Open jobs of one driver, on a clock of its own."""

    def __init__(self, count: int, known: Sequence[int] = ()) -> None:
        self.clock = StepClock()
        self.backend = Forgetful(self.clock)
        self.backend.known = {job(number).id for number in known}
        self.stopped: list[Exception] = []
        self.pending = PendingJobs(self.backend, "r", 1, self.clock, self.stopped.append)
        self.jobs = [job(number) for number in range(count)]
        self.tasks = [asyncio.ensure_future(self.pending.run(one)) for one in self.jobs]
        self.repairing = asyncio.ensure_future(self.pending.repair())

    async def __aenter__(self) -> "Waiting":
        await eventually(lambda: len(self.backend.sent) >= len(self.jobs))
        return self

    async def __aexit__(self, *error: Any) -> None:
        running = [self.repairing, *self.tasks]
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def test_jobs_that_come_together_are_sent_together() -> None:
    async with Waiting(1000) as waiting:
        assert waiting.backend.messages == [1000]


async def test_what_nobody_knows_is_sent_again_under_the_same_id() -> None:
    async with Waiting(2, known=[1]) as waiting:
        first, second = (one.id for one in waiting.jobs)
        await eventually(lambda: waiting.backend.sent.count(first) > 1)
        assert waiting.backend.sent.count(second) == 1
        waiting.pending.settled(first, "done", "+1")
        assert await waiting.tasks[0] == ("done", "+1")


async def test_a_few_are_asked_for_at_once() -> None:
    async with Waiting(CHECK_AT_ONCE + 5) as waiting:
        await eventually(lambda: len(waiting.backend.asked) >= 2)
        assert [len(ids) for ids in waiting.backend.asked[:2]] == [CHECK_AT_ONCE, 5]


async def test_a_job_is_asked_for_less_and_less_often_but_never_for_the_last_time() -> None:
    async with Waiting(1, known=[0]) as waiting:
        times = waiting.backend.asked_at
        await eventually(lambda: len(times) >= 9)
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert gaps == sorted(gaps)
        assert max(gaps) <= 61


@pytest.mark.parametrize("error", [BackendLostError("gone"), SupersededError("another")])
async def test_who_only_waits_hears_that_it_waits_in_vain(error: Exception) -> None:
    async with Waiting(1) as waiting:
        waiting.backend.error = error
        await eventually(lambda: error in waiting.stopped)
