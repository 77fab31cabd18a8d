"""Jobs that a driver waits for: submitted in batches, and again if nobody knows them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agentfx._clock import Clock
from agentfx.interpreters._backend import (
    Backend,
    BackendError,
    BackendLostError,
    JobState,
    OpenedStep,
    SupersededError,
)
from agentfx.jobs import Job

FIRST_CHECK_SECONDS = 2.0
LAST_CHECK_SECONDS = 60.0
CHECK_AT_ONCE = 64


@dataclass(slots=True)
class _Waiting:
    job: Job
    future: asyncio.Future[tuple[JobState, str | None]]
    check_at: float
    delay: float = FIRST_CHECK_SECONDS


class PendingJobs:
    """The driver's open jobs.

    The queue is a hint, what is on record is the truth: a job whose outcome was not pushed for
    some time is asked for, and sent again under the same id if it never arrived.

    Args:
        backend: Where they are on record.
        run: That waits for them.
        epoch: Of its driver.
        clock: The time.
        stop: Called with the error when the backend is gone for good.
    """

    def __init__(
        self,
        backend: Backend,
        run: str,
        epoch: int,
        clock: Clock,
        stop: Callable[[BackendError], None],
    ) -> None:
        self._backend, self._run, self._epoch, self._clock = backend, run, epoch, clock
        self._stop = stop
        self._waiting: dict[str, _Waiting] = {}
        self._unsent: list[Job] = []
        self._opened: list[OpenedStep] = []
        self._dropped: list[str] = []
        self._scheduled = False

    async def run(self, job: Job) -> tuple[JobState, str | None]:
        """Submit a job and wait until it is settled; cancelled, it is dropped."""
        loop = asyncio.get_running_loop()
        check_at = self._clock.monotonic() + FIRST_CHECK_SECONDS
        waiting = _Waiting(job, loop.create_future(), check_at)
        self._waiting[job.id] = waiting
        self._unsent.append(job)
        self._schedule()
        try:
            return await waiting.future
        except asyncio.CancelledError:
            self.drop(job.id)
            raise
        finally:
            self._waiting.pop(job.id, None)

    def drop(self, job_id: str) -> None:
        """Cancel a job that is not wanted any more, or that an earlier driver left."""
        self._dropped.append(job_id)
        self._schedule()

    def opened(self, step: OpenedStep) -> None:
        """Report a step that holds others, with the next jobs."""
        self._opened.append(step)
        self._schedule()

    def settled(self, job_id: str, state: JobState, outcome: str | None) -> None:
        """A job is settled; one that nobody waits for is ignored."""
        waiting = self._waiting.get(job_id)
        if waiting is not None and not waiting.future.done():
            waiting.future.set_result((state, outcome))

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what has come together since the last time."""
        self._scheduled = False
        jobs = [job for job in self._unsent if job.id in self._waiting]
        if jobs or self._opened:
            self._backend.submit(self._run, self._epoch, jobs, self._opened)
        if self._dropped:
            self._backend.cancel_jobs(self._run, self._epoch, self._dropped)
        self._unsent, self._opened, self._dropped = [], [], []

    def reconnected(self) -> None:
        """Ask for everything at the next round: what was sent may not have arrived."""
        now = self._clock.monotonic()
        for waiting in self._waiting.values():
            waiting.check_at = now

    async def repair(self) -> None:
        """Look after jobs that nothing was heard of; runs until it is cancelled."""
        while True:
            await self._clock.sleep(0.25)
            now = self._clock.monotonic()
            late = [w for w in self._waiting.values() if w.check_at <= now]
            for start in range(0, len(late), CHECK_AT_ONCE):
                await self._check(late[start : start + CHECK_AT_ONCE], now)

    async def _check(self, late: list[_Waiting], now: float) -> None:
        for waiting in late:
            waiting.check_at = now + waiting.delay
            waiting.delay = min(2 * waiting.delay, LAST_CHECK_SECONDS)
        ids = [waiting.job.id for waiting in late]
        try:
            unknown = set(await self._backend.unknown(self._run, self._epoch, ids))
        except (BackendLostError, SupersededError) as error:
            self._stop(error)  # nobody else may be asking: all that is left to do is to wait
            return
        except BackendError:
            return  # whoever waits for an answer says so; here the next round asks again
        again = [w.job for w in late if w.job.id in unknown and w.job.id in self._waiting]
        if again:
            self._backend.submit(self._run, self._epoch, again, [])
