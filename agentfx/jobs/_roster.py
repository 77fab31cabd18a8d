"""Workers as dispatch sees them: what they can run, what they run, whether they are there."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from agentfx.jobs._job import Route, home_of

SILENT_SECONDS = 5.0
"""Without an answer for so long, a worker is silent: one more copy of its jobs may start."""
RETURN_SECONDS = 5.0
"""How long a worker whose link is closed, but whose end is not certain, may stay away."""


@dataclass(slots=True)
class Worker:
    """One incarnation of a worker; ids of incarnations are never used again.

    Attributes:
        id: Incarnation, such as `w1.7f3a`.
        slots: Jobs it runs at once; it enforces them itself.
        tasks: Ids of the tasks it brings.
        home: Whose versions of drivers' code it can load, None if none.
        loaded: Ids of the tasks in code that it has loaded.
        link: `up`, or `away` while its link is closed.
        draining: It takes nothing new.
        killed: Its end was asked for: losses are not counted against jobs.
        starts: What it was given, by start id: the job's id.
        told: Starts whose outcome it has told; it holds them until that is confirmed.
        missing: Starts it did not know of at its last ping.
        alone: The job that has it to itself, or waits for that.
        foreign: It calls functions that are no tasks, and nothing else.
    """

    id: str
    slots: int
    tasks: frozenset[str]
    home: str | None
    heard_at: float
    link: Literal["up", "away"] = "up"
    away_since: float = 0.0
    silent: bool = False
    draining: bool = False
    killed: bool = False
    starts: dict[str, str] = field(default_factory=dict[str, str])
    told: set[str] = field(default_factory=set[str])
    missing: frozenset[str] = frozenset()
    alone: str | None = None
    foreign: bool = False
    loaded: frozenset[str] = frozenset()

    def can(self, route: Route) -> bool:
        """Whether it has, or can load, the task of a route."""
        if self.foreign or route.is_foreign:
            return self.foreign and route.is_foreign and route.task in self.tasks
        if route.task in self.tasks:
            return True
        if route.code is None:
            return route.task in self.loaded
        return self.home is not None and home_of(route.code) == self.home

    @property
    def there(self) -> bool:
        """Whether it may be given jobs at all."""
        return self.link == "up" and not self.silent and not self.draining

    @property
    def free(self) -> int:
        """Slots for jobs that share the worker."""
        if not self.there or self.alone is not None:
            return 0
        return self.slots - len(self.starts)

    def hear(self, now: float) -> None:
        """It gave a sign of life."""
        self.heard_at, self.silent = now, False


def quiet(workers: Iterable[Worker], now: float) -> list[Worker]:
    """Workers that have just become silent; they are marked."""
    found = [
        w for w in workers
        if w.link == "up" and not w.silent and now - w.heard_at > SILENT_SECONDS
    ]  # fmt: skip
    for worker in found:
        worker.silent = True
    return found


def overdue(workers: Iterable[Worker], now: float) -> list[Worker]:
    """Workers that stayed away too long."""
    return [w for w in workers if w.link == "away" and now - w.away_since > RETURN_SECONDS]
