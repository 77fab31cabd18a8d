"""What a job is, and what dispatch decides about it."""

import json
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

DeadReason: TypeAlias = Literal["poison", "lost"]
LossKind: TypeAlias = Literal["shared", "alone"]


MOST_STARTS = 10
"""A job is not started more often, whatever the reasons."""
FOREIGN = "foreign"
"""The code of a function that is no task: another worker has it, in any language."""


def home_of(code: str) -> str:
    """Where a version of a driver's code lies, `hash@home`: other homes' workers cannot read it."""
    return code.partition("@")[2]


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of a call of a task, as a driver submits it.

    Attributes:
        id: See `job_id`.
        run: The run that waits for it; empty for a call from outside that nothing journals.
        path: Of its durable step.
        attempt: Of `.retry`, from 1.
        task: Id of the task.
        input: JSON text, an object keyed by parameter.
        key: Idempotency key, handed to the task.
        index: Of the item, for a fan-out over a task.
        label: Name given by `.named`.
        at_most_once: An action: never started again after a loss.
        timeout_seconds: The worker ends it after this time; None for no limit.
        code: Version of the driver's code that a worker needs, see `home_of`; None for tasks
            that workers bring themselves; `FOREIGN` for a function that is no task.
    """

    id: str
    run: str
    path: str
    attempt: int
    task: str
    input: str
    key: str
    index: int | None = None
    label: str | None = None
    at_most_once: bool = False
    timeout_seconds: float | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Jobs that the same workers can run, of one run; runs take turns."""

    run: str
    task: str
    code: str | None

    @property
    def is_foreign(self) -> bool:
        """Whether the function is no task."""
        return self.code == FOREIGN


@dataclass(frozen=True, slots=True)
class Started:
    """One hand-over of a job: to whom, and whether it had the worker to itself."""

    worker: str
    alone: bool


@dataclass(slots=True)
class OpenJob:
    """A job without an outcome, as dispatch knows it.

    Attributes:
        deliveries: Hand-overs so far.
        voided: The last hand-over before the job was opened once more, by a redrive say: it and
            those before it no longer count.
        starts: Hand-overs that may still come to an end, by start id.
        shared_losses: Workers lost while it ran beside others.
        lone_losses: Workers lost while it ran alone.
    """

    id: str
    route: Route
    at_most_once: bool
    deliveries: int = 0
    voided: int = 0
    starts: dict[str, Started] = field(default_factory=dict[str, Started])
    shared_losses: int = 0
    lone_losses: int = 0

    @property
    def worn_out(self) -> bool:
        """Whether it was started too often to be started again."""
        return self.deliveries - self.voided >= MOST_STARTS


@dataclass(frozen=True, slots=True)
class Start:
    """Send the job to the worker, after its start is on record if it may run only once."""

    worker: str
    job: str
    start: str
    delivery: int
    alone: bool
    at_most_once: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the worker to stop what it runs; its outcome no longer counts."""

    worker: str
    start: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A start came to no end. Recorded before the job starts again.

    Attributes:
        counted: Whether it ran beside other jobs or alone; None if the loss does not count
            against the job.
    """

    job: str
    start: str
    worker: str
    counted: LossKind | None


@dataclass(frozen=True, slots=True)
class Requeued:
    """The job waits for a slot again."""

    job: str


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """A worker holds a job that is not open here.

    It has an end on record, and `settled` says so; or it was started while its own record was
    being written, which never was: then it is held until its driver sends it again.
    """

    job: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Dispatch gives the job up: it ends in a `TaskError` of this reason."""

    job: str
    task: str
    reason: DeadReason
    message: str


def task_error(task: str, reason: str, message: str) -> str:
    """The outcome of a job that ends in a `TaskError`, as JSON text."""
    value = json.dumps({"task": task, "reason": reason, "message": message})
    return json.dumps({"err": "agentfx:TaskError", "value": value})


Action: TypeAlias = Start | Stop | Lost | Requeued | Unclaimed | Ended
