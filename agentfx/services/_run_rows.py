"""Rows of runs, journals, jobs and events, inside one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from agentfx.jobs import Job, LossKind
from agentfx.wire import Json

RunStatus: TypeAlias = Literal["running", "done", "failed", "cancelled"]
Settled: TypeAlias = Literal["done", "dead", "cancelled"]


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run.

    Attributes:
        no: Its number in this store.
        program: `module:attribute`, None for a program that only a notebook has.
        fingerprint: Of the program's structure.
        epoch: Writes of a lower one are refused.
        life: How often it was started over; part of its jobs' identities.
        driver: Who drives it; empty when nobody does.
        exit: How it ended, as its driver encoded it.
        failed_at: Path of the step whose failure nobody caught.
    """

    no: int
    id: str
    program: str | None
    fingerprint: str
    epoch: int
    life: int
    driver: str
    status: RunStatus
    exit: str | None
    failed_at: str | None
    started_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class StepRow:
    """One journaled step: `what` must be met again at this path by a replay."""

    path: str
    what: str
    value: str


@dataclass(frozen=True, slots=True)
class SettledJob:
    """A job with its outcome, as a driver reads it.

    Attributes:
        input: JSON text it was submitted with.
        state: `dead` while it is parked: not an outcome, but why there is none.
        outcome: JSON text; None for a cancelled job.
    """

    id: str
    path: str
    attempt: int
    task: str
    input: str
    state: Settled
    outcome: str | None


@dataclass(frozen=True, slots=True)
class OpenRow:
    """An open job with what dispatch has to know of it."""

    run_no: int
    job: Job
    deliveries: int
    voided: int
    holder: str | None
    alone: bool
    shared_losses: int
    lone_losses: int


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A parked job.

    Attributes:
        passed: A later attempt of the same call was made.
        noted: The journal has the failure: its run went on with it.
        run_status: How its run stands.
        failed_at: Path of the step whose failure ended its run.
    """

    job: Job
    outcome: str
    passed: bool
    died_at: float
    noted: bool
    run_status: RunStatus
    failed_at: str | None

    @property
    def ended_its_run(self) -> bool:
        """Whether its run ended with exactly this failure, which nobody caught."""
        at_it = self.run_status == "failed" and self.failed_at == self.job.path
        return at_it and not self.passed

    @property
    def redrivable(self) -> bool:
        """Whether nothing has come of its failure yet, but the end of its run."""
        waits = self.run_status == "running" and not self.noted and not self.passed
        return waits or self.ended_its_run


@dataclass(frozen=True, slots=True)
class RosterRow:
    """A worker process that was there; `born` tells it from a later one with its pid."""

    id: str
    label: str
    host: str
    pid: int
    born: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; of a job, the job's row has the rest."""

    type: str
    at: float
    run_no: int = 0
    job: str | None = None
    fields: Json = None


class RunRows(Protocol):
    """Runs and their journals."""

    def find(self, run: str) -> RunRow | None:
        """A run by the id that users give it."""
        ...

    def add(self, run: RunRow) -> int:
        """Keep a new run; its number."""
        ...

    def take_over(self, no: int, driver: str) -> int:
        """Make somebody its driver; the new epoch."""
        ...

    def start_over(self, no: int, fingerprint: str, program: str | None, at: float) -> None:
        """Delete what a run has on record, and let it begin its next life."""
        ...

    def release(self, no: int, epoch: int) -> None:
        """Leave a run without a driver, if the epoch is still this."""
        ...

    def settle(
        self, no: int, status: RunStatus, exit_: str | None, failed_at: str | None, at: float
    ) -> bool:
        """End a running run; False if it has ended already."""
        ...

    def reopen(self, no: int) -> None:
        """Make an ended run a running one."""
        ...

    def recent(self, limit: int) -> list[RunRow]:
        """Runs of users, newest first; the hidden ones of sessions are left out."""
        ...

    def put_steps(self, no: int, steps: Sequence[StepRow]) -> list[tuple[StepRow, bool]]:
        """Write steps once; the winners, in the order given, and whether each is new."""
        ...

    def steps(self, no: int, after: str, limit_bytes: int) -> list[StepRow]:
        """Steps by path, from the one after a path, up to a size."""
        ...

    def drop_steps(self, no: int, paths: Iterable[str]) -> None:
        """Delete steps of a journal: a resumed run makes them again."""
        ...

    def needs(self, no: int, codes: Iterable[str]) -> None:
        """Note that a run's jobs were sent with these versions of code."""
        ...

    def codes(self) -> set[str]:
        """The versions of code that runs and sessions need."""
        ...

    def prune(self, keep: int, ended_before: float) -> int:
        """Delete ended runs beyond a number or an age, and old events; how many runs went."""
        ...


class JobRows(Protocol):
    """Jobs, their starts and outcomes, and the events of all."""

    def add(self, run_no: int, jobs: Sequence[Job]) -> list[tuple[Job, int]]:
        """Open jobs that are not known, or were cancelled; those that this opened.

        With each, its hand-overs before: they no longer count.
        """
        ...

    def settled(self, ids: Sequence[str]) -> list[SettledJob]:
        """Those of the jobs that have an outcome, or are dead."""
        ...

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those ids that a job has."""
        ...

    def is_over(self, job: str) -> bool:
        """Whether a job has its end on record: an outcome, or that it was cancelled."""
        ...

    def started(self, job: str, delivery: int, worker: str, *, alone: bool) -> None:
        """Note a hand-over: who holds the job now, and whether it has that worker to itself."""
        ...

    def lost(self, job: str, counted: LossKind | None) -> None:
        """Note that nobody holds a job; `counted` None leaves its losses as they are."""
        ...

    def settle(
        self, job: str, state: Settled, outcome: str | None, delivery: int | None = None
    ) -> bool:
        """End an open job; False if it is not open, or if this hand-over no longer counts."""
        ...

    def forsake(self, job: str, outcome: str) -> bool:
        """Make a cancelled job a dead one, if it had begun; False if it is none such."""
        ...

    def of_run(self, run_no: int, after: int, limit_bytes: int) -> tuple[list[SettledJob], int]:
        """Jobs of a run that are no longer open, up to a size; and the cursor to go on with."""
        ...

    def open_of_run(self, run_no: int) -> list[str]:
        """Ids of the jobs of a run that are open."""
        ...

    def open(self) -> list[OpenRow]:
        """All open jobs, oldest first, for services that start."""
        ...

    def fetch(self, ids: Sequence[str]) -> list[Job]:
        """Jobs with their inputs; ids that nobody knows are left out."""
        ...

    def dead(self, limit: int) -> list[DeadRow]:
        """Parked jobs, oldest first."""
        ...

    def dead_one(self, job: str) -> DeadRow | None:
        """A parked job, None if it is not one."""
        ...

    def state_of(self, job: str) -> str | None:
        """`open`, or how a job is settled; None for one that is not known."""
        ...

    def recode(self, job: Job) -> bool:
        """Let an open job need the version of code that it comes with; whether that is new."""
        ...

    def revive(self, job: str, code: str | None) -> int:
        """Make a dead job an open one, as if it had never been lost; its hand-overs so far.

        Args:
            job: Its id.
            code: The version of code that it needs from now on.
        """
        ...

    def forget(self, job: str) -> None:
        """Take a dead job out of the dead letters; its outcome stays."""
        ...

    def pass_by(self, run_no: int, path: str) -> None:
        """Mark dead jobs of a step as left behind by their run."""
        ...

    def replayed(self, run_no: int, at: float) -> None:
        """Append an event for each step and job that a run has on record.

        They tell what its latest driver does not run again; those for earlier ones go.
        """
        ...

    def record(self, events: Sequence[EventRow]) -> int:
        """Append events; the number of the last."""
        ...

    def events(
        self, run_no: int, after: int, limit: int, whole: int | None = None
    ) -> list[list[Json]]:
        """Events of a run, of workers and of services, after a number.

        Of a run that has ended, what others did later is left out. There may be fewer than the
        limit, if they say much.

        Args:
            run_no: The run's number.
            after: The number of an event.
            limit: How many at most.
            whole: If it is given: of jobs that were handed out once and are done, leave out how
                they began, except among so many of the run's latest events.

        Returns:
            Of each event the values of `EVENT_FIELDS`, in their order.
        """
        ...

    def output(self, run_no: int, after: int) -> tuple[int, list[list[Json]]]:
        """What tasks of a run printed after an event, up to a size.

        Returns:
            The number of the event to go on after; and worker, job and text of each piece.
        """
        ...

    def last_event(self) -> int:
        """The number of the latest event, 0 if there is none."""
        ...

    def counts(self) -> list[tuple[str, str, int]]:
        """Open and dead jobs by task: (task, state, count)."""
        ...


class RosterRows(Protocol):
    """Who was there, and which life of the services this is."""

    def next_generation(self) -> int:
        """Begin another life of the services; its number, from 1."""
        ...

    def joined(self, worker: RosterRow) -> None:
        """Keep a worker; it stays until it `left`, also when services end."""
        ...

    def left(self, worker_id: str) -> None:
        """Forget a worker."""
        ...

    def all(self) -> list[RosterRow]:
        """Workers that were there, and did not leave."""
        ...
