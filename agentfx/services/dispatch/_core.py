"""What the parts of the dispatch service share: decisions made, put on record and sent."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeAlias, TypeVar

from agentfx._clock import Clock
from agentfx.jobs import (
    Action,
    Dispatch,
    Ended,
    Job,
    Lost,
    OpenJob,
    Requeued,
    Route,
    Start,
    Stop,
    Unclaimed,
    delivery_of,
    task_error,
)
from agentfx.services._host import Host
from agentfx.services._run_rows import EventRow
from agentfx.services._signal import Signal
from agentfx.services._store import StorageFullError, Store, Transaction
from agentfx.services._tasks import Tasks
from agentfx.services.dispatch._outbox import Outbox
from agentfx.services.dispatch._owner import JobOwner
from agentfx.wire import Json

T = TypeVar("T")
Owned: TypeAlias = tuple[JobOwner, Any]

PAYLOAD_BYTES = 64 * 1024 * 1024
"""Inputs of waiting jobs that are kept in memory; others are read when they start."""
FULL_RETRY_SECONDS = 1.0
LATE_SECONDS = 0.02
CALL = "call-"
"""How ids of jobs begin that nobody but a caller from outside waits for."""


@dataclass(slots=True)
class Driver:
    """A process that drives runs.

    Attributes:
        link: Id of its connection to the engine, None while it is closed.
        runs: Numbers of the runs it drives.
    """

    id: str
    link: str | None
    heard_at: float
    runs: set[int] = field(default_factory=set[int])


@dataclass(slots=True)
class LiveRun:
    """A run that somebody drives or waits for.

    Attributes:
        codes: Versions of code that are on record as needed by it.
        seen: All of its jobs, if it began in this life of the services: another job is new, and
            can start while the store still writes it. None if only the store can tell.
    """

    no: int
    id: str
    epoch: int
    driver: str
    watchers: set[str] = field(default_factory=set[str])
    codes: set[str] = field(default_factory=set[str])
    seen: set[str] | None = None


class Core:
    """The services' memory of runs, jobs and workers, beside the store that has the truth."""

    def __init__(self, store: Store, host: Host, clock: Clock, tasks: Tasks) -> None:
        self.store, self.host, self.clock, self.tasks = store, host, clock, tasks
        self.dispatch = Dispatch(clock.monotonic())
        self.generation = 0
        self.labels: dict[str, str] = {}  # of workers, by incarnation
        self.closed_at: dict[str, float] = {}  # when a worker's link closed
        self.drivers: dict[str, Driver] = {}
        self.runs: dict[int, LiveRun] = {}
        self.to_drivers = Outbox(host, dict[str, Json])
        self.to_workers = Outbox(host, lambda: {"gen": self.generation})
        self._payloads: dict[str, Job] = {}
        self._payload_bytes = 0
        self._run_of: dict[str, int] = {}
        # Jobs that were started while the store still writes them.
        self.unwritten: set[str] = set()
        self.recorded, self.printed = Signal(), Signal()
        self._late: list[tuple[Sequence[Action], list[EventRow]]] = []
        self._flushing: asyncio.TimerHandle | None = None
        # For jobs that no run waits for: called with the outcome, and whether it is an error.
        self.ended: dict[str, Callable[[str, bool], None]] = {}
        self.owners: dict[int, JobOwner] = {}

    # Memory of jobs

    def remember(self, run_no: int, job: Job, handed: int = 0) -> OpenJob:
        """Keep a new open job; its input only while there is room.

        Args:
            run_no: Of its run.
            job: The job.
            handed: Hand-overs of before, which no longer count.
        """
        self._run_of[job.id] = run_no
        if self._payload_bytes + len(job.input) <= PAYLOAD_BYTES:
            self._payloads[job.id] = job
            self._payload_bytes += len(job.input)
        route = Route(job.run, job.task, job.code)
        return OpenJob(job.id, route, job.at_most_once, handed, handed)

    def recode(self, job: Job) -> None:
        """An open job was sent again with another version of code."""
        if job.id in self._payloads:
            self._payloads[job.id] = job
        self.apply(self.dispatch.reroute(job.id, Route(job.run, job.task, job.code)))

    def forget(self, job_id: str) -> int | None:
        """Drop an ended job; the number of its run."""
        job = self._payloads.pop(job_id, None)
        if job is not None:
            self._payload_bytes -= len(job.input)
        return self._run_of.pop(job_id, None)

    async def _job(self, job_id: str) -> Job | None:
        found = self._payloads.get(job_id)
        if found is not None:
            return found
        rows = await self.store.read(lambda t: t.jobs.fetch([job_id]))
        return rows[0] if rows else None

    # Jobs that somebody else of the services owns

    def own(self, run_no: int, owner: JobOwner) -> None:
        """See `Jobs.own`."""
        self.owners[run_no] = owner

    def submit(self, jobs: Sequence[tuple[int, Job]]) -> None:
        """See `Jobs.submit`."""
        self.notify()
        self.apply(self.dispatch.submit([self.remember(run_no, job) for run_no, job in jobs]))

    def drop(self, jobs: Sequence[str]) -> None:
        """See `Jobs.drop`."""
        self.notify()
        self.apply(self.dispatch.cancel(jobs))
        for job_id in jobs:
            self.forget(job_id)

    def done(self, starts: Sequence[str]) -> None:
        """See `Jobs.done`."""
        for start in starts:
            job_id = start.rpartition("/")[0]
            self.apply(self.dispatch.done(start, job_id))
            self.forget(job_id)

    def owner_of(self, job_id: str) -> JobOwner | None:
        """Who keeps a record of this job, None if its run does."""
        return self.owners.get(self._run_of.get(job_id, 0))

    # Decisions into deeds

    def apply(self, actions: Sequence[Action]) -> None:
        """Put decisions on record, and carry them out.

        A loss is on record before the job starts again, and the start of an action before it
        is sent. Other starts are sent at once: the worker that holds one will say so.
        """
        if not actions:
            return
        rows = [row for action in actions for row in self._event_of(action)]
        if any(self._must_be_durable(action) for action in actions):
            self.tasks.spawn(self._record_then_do(actions, rows))
        else:
            self._record_late(actions, rows)
            self._do(actions)

    def _record_late(self, actions: Sequence[Action], rows: list[EventRow]) -> None:
        """Put what nobody waits for on record with the next write, or a moment later."""
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(LATE_SECONDS, self.flush)
        self._late.append((actions, rows))

    def flush(self) -> None:
        """Write now what was to be written in a moment."""
        late, self._late = self._late, []
        if self._flushing is not None:  # else it would cut the next moment short
            self._flushing.cancel()
            self._flushing = None
        if not late:
            return

        def operation(t: Transaction) -> None:
            for actions, rows in late:
                _write(t, actions, rows)

        # Lost with a full disk or this process: whoever holds the starts will say so.
        written = asyncio.ensure_future(self.store.write(operation))
        written.add_done_callback(self._written)

    def _written(self, written: "asyncio.Future[None]") -> None:
        if written.cancelled() or written.exception() is not None:
            return
        self.notify()

    def write(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        """Write, after all that was decided before."""
        self.flush()
        return self.store.write(operation)

    async def _record_then_do(self, actions: Sequence[Action], rows: list[EventRow]) -> None:
        owned = [(action, self._record_of(action)) for action in actions]

        def operation(t: Transaction) -> list[Any]:
            for action in actions:
                if isinstance(action, Ended):
                    self.wait_for_row(t, action.job)
            _write(t, [action for action, record in owned if record is None], rows)
            return [record(t) for _, record in owned if record is not None]

        afters = await self.durably(operation)
        self._do(actions)
        self.tell_owners(afters)

    def wait_for_row(self, t: Transaction, job_id: str) -> None:
        """Have a write of `durably` tried again later if a full disk kept its job off the record.

        Raises:
            StorageFullError: The job's row is still to come.
        """
        if job_id in self.unwritten and not t.jobs.known([job_id]):
            raise StorageFullError("the disk is full: the job itself is not on record yet")

    def _must_be_durable(self, action: Action) -> bool:
        if isinstance(action, (Lost, Ended)):
            return True
        if not isinstance(action, Start):
            return False
        owner = self.owner_of(action.job)
        return action.at_most_once or (owner is not None and owner.records_start(action.job))

    def _record_of(self, action: Action) -> Callable[[Transaction], Owned] | None:
        """How the owner of a job puts it on record, None if nobody owns it."""
        owner = self.owner_of(action.job) if isinstance(action, (Start, Ended)) else None
        if owner is None:
            return None
        if isinstance(action, Start):
            return partial(_start_owned, owner, action, self._label(action.worker))
        if isinstance(action, Ended):
            return partial(_end_owned, owner, action)
        return None

    def tell_owners(self, afters: Iterable[Owned]) -> None:
        """Hand over what follows from committed records."""
        for owner, after in afters:
            if after is not None:
                owner.committed([after])

    def _label(self, worker: str) -> str:
        return self.labels.get(worker, worker)

    def durably(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        """Write, and wait for room on a full disk: what happened is kept until it is on record.

        It takes its place among the writes now, not when it is awaited: rows of what is decided
        from here on refer to its rows.
        """
        return self._until_written(self.write(operation), operation)

    async def _until_written(
        self, written: Awaitable[T], operation: Callable[[Transaction], T]
    ) -> T:
        while True:
            try:
                result = await written
            except StorageFullError:
                await self.clock.sleep(FULL_RETRY_SECONDS)
                written = self.write(operation)
                continue
            self.notify()
            return result

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Start():
                    self._send_start(action)
                case Stop():
                    self._stop(action)
                case Ended():
                    self._push_dead(action)
                case Unclaimed():
                    self.tasks.spawn(self._look_up(action.job))
                case Lost() | Requeued():
                    pass  # on record; nobody has to do anything

    async def _look_up(self, job_id: str) -> None:
        """Let a worker drop what has its end on record, and calls whose callers are gone."""
        # Among the writes: the job's own row may be one that is still to come. One that is open
        # there is about to be claimed: it has just been sent again.
        over = await self.durably(lambda t: t.jobs.is_over(job_id))
        if over or job_id.startswith(CALL):
            self.apply(self.dispatch.settled(job_id))

    def _stop(self, action: Stop) -> None:
        worker = exec_id(action.worker)
        # A worker stops before it starts, whatever the order within a message.
        if not self.to_workers.take_back(worker, "starts", lambda i: i["start"] == action.start):
            self.to_workers.add(worker, "stop", action.start)

    def _send_start(self, action: Start) -> None:
        job = self._payloads.get(action.job)
        if job is None:
            self.tasks.spawn(self._fetch_and_send(action))
        else:
            self._send(action, job)

    async def _fetch_and_send(self, action: Start) -> None:
        job = await self._job(action.job)
        open_job = self.dispatch.jobs.get(action.job)
        if job is not None and open_job is not None and action.start in open_job.starts:
            self._send(action, job)

    def _send(self, action: Start, job: Job) -> None:
        item: dict[str, Any] = {
            "start": action.start,
            "delivery": action.delivery,
            **_lean(job),
        }
        owner = self.owner_of(job.id)
        if owner is not None:
            item["input"] = owner.input_of(job)
        self.to_workers.add(exec_id(action.worker), "starts", item, len(item["input"]) + 300)

    def _push_dead(self, action: Ended) -> None:
        run_no = self.forget(action.job)
        if run_no is not None:
            self.push(run_no, "dead", [action.job, dead_outcome(action)])
        self.ended.get(action.job, _nobody)(dead_outcome(action), True)

    def push(self, run_no: int, key: str, item: Json, size: int = 100) -> None:
        """Tell the driver of a run, if it has one."""
        run = self.runs.get(run_no)
        if run is not None and run.driver:
            self.to_drivers.add(driver_id(run.driver), key, item, size)

    # Events

    def _event_of(self, action: Action) -> list[EventRow]:
        at = self.clock.wall()
        match action:
            case Start():
                worker = self._label(action.worker)
                fields: Json = {"worker": worker, "delivery": action.delivery}
                return [EventRow("job_started", at, job=action.job, fields=fields)]
            case Lost():
                worker = self._label(action.worker)
                fields = {
                    "worker": worker,
                    "delivery": delivery_of(action.start),
                    "ms": self._since_closed(action.worker),
                }
                return [EventRow("job_lost", at, job=action.job, fields=fields)]
            case Requeued():
                return [EventRow("job_requeued", at, job=action.job)]
            case Ended():
                fields = {"error": f"{action.reason}: {action.message}"}
                return [EventRow("job_dead", at, job=action.job, fields=fields)]
            case Stop() | Unclaimed():
                return []

    def _since_closed(self, worker: str) -> float | None:
        closed = self.closed_at.get(worker)
        return None if closed is None else round((self.clock.monotonic() - closed) * 1000, 3)

    def notify(self) -> None:
        """Wake whoever waits for events."""
        self.recorded.give()


def exec_id(worker: str) -> str:
    """The function by which a worker is given jobs."""
    return f"agentfx::exec::{worker}"


def driver_id(driver: str) -> str:
    """The function by which a driver hears of its jobs."""
    return f"agentfx::driver::{driver}"


def dead_outcome(action: Ended) -> str:
    """Why dispatch gave a job up, as a worker would have said it."""
    return task_error(action.task, action.reason, action.message)


_SENT = tuple(f.name for f in fields(Job))


def _lean(job: Job) -> dict[str, Json]:
    found = ((name, getattr(job, name)) for name in _SENT)
    return {name: value for name, value in found if value is not None}


def _nobody(outcome: str, failed: bool) -> None:
    """The listener of a job that nobody but its run waits for."""


def _start_owned(owner: JobOwner, action: Start, worker: str, t: Transaction) -> Owned:
    t.jobs.started(action.job, action.delivery, action.worker, alone=action.alone)
    if not owner.records_start(action.job):
        return owner, None
    return owner, owner.started(t, action.job, worker, action.delivery)


def _end_owned(owner: JobOwner, action: Ended, t: Transaction) -> Owned:
    # Not a dead letter: its owner has gone on past it once this is committed.
    if not t.jobs.settle(action.job, "done", dead_outcome(action)):
        return owner, None
    return owner, owner.settled(t, action.job, dead_outcome(action), "services")


def _write(t: Transaction, actions: Sequence[Action], rows: list[EventRow]) -> None:
    for action in actions:
        match action:
            case Start():
                t.jobs.started(action.job, action.delivery, action.worker, alone=action.alone)
            case Lost():
                t.jobs.lost(action.job, action.counted)
            case Ended():
                t.jobs.settle(action.job, "dead", dead_outcome(action))
            case Requeued() | Stop() | Unclaimed():
                pass
    t.jobs.record(rows)
