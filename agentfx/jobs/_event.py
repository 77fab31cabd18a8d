"""What happened in a run: one closed set of events for trees, timelines, tables and logs."""

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict

EventType: TypeAlias = Literal[
    "run_started",
    "run_attached",
    "run_ended",
    "step_started",
    "step_done",
    "step_replayed",
    "job_queued",
    "job_started",
    "job_lost",
    "job_requeued",
    "job_done",
    "job_failed",
    "job_dead",
    "job_redriven",
    "job_cancelled",
    "worker_joined",
    "worker_lost",
    "worker_left",
    "services_restarted",
    "output",
]

EVENT_TYPES: tuple[str, ...] = get_args(EventType)
_RECORDED = re.compile(r"use (\S+)(?: [0-9a-f]{16})?")


class Event(BaseModel):
    """One event; a field is None where it does not apply.

    A hand-off is `job_lost`, `job_requeued`, `job_started`: the first interval is the time until
    the loss was noticed and the job queued again, the second its wait for a free slot.

    Attributes:
        version: Of this shape.
        seq: Grows with every event of a store; the order of events.
        at: Seconds since the epoch, by the clock of the services; for people.
        run: Run id; empty for events of workers and services.
        type: What happened.
        path: Of the durable step, such as `3/17/2`.
        index: Of the item, for a fan-out over a task.
        count: Number of items, where a fan-out starts.
        job: Id of the job.
        task: Id of the task, or the kind of a step that is none.
        worker: Label of the worker.
        attempt: Of `.retry`, from 1.
        delivery: How often this attempt was handed out, from 1.
        ms: Duration of what ended, in milliseconds.
        error: Failure or reason, in one line.
        label: Name given by `.named`; the text of an `output`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    seq: int
    at: float
    run: str
    type: EventType
    path: str | None = None
    index: int | None = None
    count: int | None = None
    job: str | None = None
    task: str | None = None
    worker: str | None = None
    attempt: int | None = None
    delivery: int | None = None
    ms: float | None = None
    error: str | None = None
    label: str | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Leave out what does not apply."""
        return ((name, value) for name, value in super().__repr_args__() if value is not None)


def readable(label: str | None) -> str | None:
    """A step of the driver as people call it: on record it ends in a digest of its input."""
    found = _RECORDED.fullmatch(label or "")
    return label if found is None else found[1]
