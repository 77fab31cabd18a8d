"""What a run's events say about jobs that moved from one worker to another."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import agentfx as fx


@dataclass(frozen=True, slots=True)
class HandOff:
    """A job whose worker was lost, and who took it over.

    Attributes:
        noticed_ms: From the closing of the worker's link to the job being queued again.
        waited_ms: From there to its start elsewhere: the wait for a free slot.
    """

    job: str
    path: str
    lost_by: str
    taken_by: str
    noticed_ms: float
    waited_ms: float


def hand_offs(events: Iterable[fx.Event]) -> list[HandOff]:
    """All hand-offs, in order: `job_lost`, `job_requeued`, `job_started`."""
    lost: dict[str, fx.Event] = {}
    requeued: dict[str, fx.Event] = {}
    found: list[HandOff] = []
    for event in events:
        job = event.job or ""
        if event.type == "job_lost":
            lost[job] = event
        elif event.type == "job_requeued":
            requeued[job] = event
        elif event.type == "job_started" and job in lost and job in requeued:
            gone, again = lost.pop(job), requeued.pop(job)
            found.append(
                HandOff(
                    job,
                    event.path or "",
                    gone.worker or "",
                    event.worker or "",
                    (gone.ms or 0.0) + (again.at - gone.at) * 1000,
                    (event.at - again.at) * 1000,
                )
            )
    return found


def jobs_by_worker(events: Iterable[fx.Event]) -> dict[str, int]:
    """How many jobs each worker finished."""
    done = Counter(event.worker or "" for event in events if event.type == "job_done")
    return dict(sorted(done.items()))
