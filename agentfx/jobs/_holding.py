"""What a worker holds: decisions without I/O.

The worker is the arbiter of what it runs. Whatever the services believe, it never runs more
jobs than it has slots, joins starts of one job, and keeps an outcome until it is on record.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Run:
    """Begin to run a job; a slot is taken for it."""

    job: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop a job that runs; its slot is free when it has ended."""

    job: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the services how a start ended."""

    job: str
    start: str


Order: TypeAlias = Run | Abort | Tell


@dataclass(slots=True)
class HeldJob:
    """A job that waits or runs here, or whose outcome is not confirmed.

    Attributes:
        starts: Its hand-overs that are not confirmed; each gets the outcome.
        state: `dropped` is one that was stopped while it ran: nobody wants its outcome.
    """

    starts: list[str] = field(default_factory=list[str])
    state: str = "waiting"  # waiting, running, ended, dropped


class Holding:
    """Jobs of one worker.

    Args:
        slots: How many run at once.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._busy = 0
        self._waiting: deque[str] = deque()
        self.jobs: dict[str, HeldJob] = {}

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return self._busy

    def take(self, job: str, start: str) -> list[Order]:
        """A start arrived: run its job, or join it if it is held."""
        held = self.jobs.get(job)
        if held is not None and held.state == "dropped":
            held.starts.append(start)  # it still ends; then it runs again
            return []
        if held is None:
            self.jobs[job] = HeldJob([start])
            self._waiting.append(job)
            return self._fill()
        if start not in held.starts:
            held.starts.append(start)
            if held.state == "ended":
                return [Tell(job, start)]
        return []

    def stop(self, job: str, start: str) -> list[Order]:
        """A start is not wanted any more."""
        held = self.jobs.get(job)
        if held is None or start not in held.starts:
            return []
        held.starts.remove(start)
        if held.starts:
            return []
        if held.state == "running":
            held.state = "dropped"
            return [Abort(job)]
        if held.state != "dropped":
            del self.jobs[job]
        return []

    def ended(self, job: str) -> list[Order]:
        """A running job has an outcome, or was aborted; its slot may be taken still."""
        held = self.jobs[job]
        if held.state == "dropped":
            del self.jobs[job]
            if not held.starts:
                return []
            self.jobs[job] = HeldJob(held.starts)  # asked for again meanwhile
            self._waiting.append(job)
            return self._fill()
        held.state = "ended"
        return [Tell(job, start) for start in held.starts]

    def free(self) -> list[Order]:
        """A slot is free."""
        self._busy -= 1
        return self._fill()

    def confirm(self, job: str, start: str) -> None:
        """An outcome is on record."""
        held = self.jobs.get(job)
        if held is None or held.state != "ended" or start not in held.starts:
            return
        held.starts.remove(start)
        if not held.starts:
            del self.jobs[job]

    def forget(self, job: str) -> None:
        """Let go of an outcome that nobody confirms."""
        held = self.jobs.get(job)
        if held is not None and held.state == "ended":
            del self.jobs[job]

    def held(self) -> list[tuple[str, str]]:
        """(start, job) of everything."""
        return [(start, job) for job, held in list(self.jobs.items()) for start in held.starts]

    def unconfirmed(self) -> list[Tell]:
        """What may not have been heard."""
        ended = [(job, held) for job, held in self.jobs.items() if held.state == "ended"]
        return [Tell(job, start) for job, held in ended for start in held.starts]

    def _fill(self) -> list[Order]:
        orders: list[Order] = []
        while self._waiting and self._busy < self._slots:
            job = self._waiting.popleft()
            held = self.jobs.get(job)
            if held is not None and held.state == "waiting":
                held.state = "running"
                self._busy += 1
                orders.append(Run(job))
        return orders
