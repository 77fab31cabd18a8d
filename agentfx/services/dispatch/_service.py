"""The dispatch service: registers `agentfx::*` on a host and keeps everything going."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from agentfx._clock import Clock
from agentfx.jobs import OpenJob, Route, Started, Worker, start_id
from agentfx.services._host import Handler, Host, WorkerChange
from agentfx.services._run_rows import EventRow, OpenRow, RosterRow
from agentfx.services._store import Store, Transaction
from agentfx.services._tasks import Tasks
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._dead import DeadLetters
from agentfx.services.dispatch._drivers import Drivers
from agentfx.services.dispatch._events import Events
from agentfx.services.dispatch._foreign import Foreign
from agentfx.services.dispatch._forward import Forward
from agentfx.services.dispatch._listing import Listing
from agentfx.services.dispatch._messages import (
    Around,
    Brings,
    Driver,
    EndRun,
    Functions,
    Hello,
    Ids,
    JobName,
    Limit,
    OpenRun,
    Outcomes,
    Output,
    Prune,
    PutSteps,
    ReadEvents,
    ReadOutput,
    ReadRun,
    Redrive,
    Rejoin,
    RunEpoch,
    RunName,
    Serves,
    Submit,
    WorkerName,
    parse,
)
from agentfx.services.dispatch._owner import Jobs
from agentfx.services.dispatch._retention import DropCode, Retention
from agentfx.services.dispatch._runs import Runs
from agentfx.services.dispatch._workers import ProcessEnded, Workers
from agentfx.wire import Json

T = TypeVar("T")
TICK_SECONDS = 1.0


class DispatchService:
    """Runs, jobs, workers and dead letters, made durable.

    Args:
        store: Where everything is on record; open in this process alone.
        host: The engine, or this process's connection to one.
        clock: The time.
        process_ended: Tells whether a worker's process has ended, if it can be known from here.
        drop_code: Deletes drivers' code that no run needs any more, where it lies here.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        clock: Clock,
        process_ended: ProcessEnded,
        drop_code: DropCode | None = None,
    ) -> None:
        self._tasks = Tasks()
        self._core = Core(store, host, clock, self._tasks)
        self._drivers = Drivers(self._core)
        self._runs = Runs(self._core, self._drivers)
        self._workers = Workers(self._core, Forward(self._core), process_ended)
        self._foreign = Foreign(self._core, self._workers.outcomes)
        self._dead = DeadLetters(self._core)
        self._listing = Listing(self._core, self._drivers, self._workers, self._dead)
        self._events = Events(self._core)
        self._retention = Retention(self._core, drop_code)
        self._served: list[str] = []

    @property
    def generation(self) -> int:
        """Number of this life of the services, once started."""
        return self._core.generation

    @property
    def jobs(self) -> Jobs:
        """For services that own jobs themselves."""
        return self._core

    async def start(self) -> None:
        """Begin where the store's last life ended, then serve."""
        core = self._core
        generation, rows, roster, codes = await core.durably(self._begin)
        await self._retention.drop_code(codes, Prune())
        core.generation = generation
        self._restore(rows, roster)
        await self._workers.restore(roster)
        for function_id, handler in self._functions().items():
            core.host.serve(function_id, handler, metadata={"internal": True})
            self._served.append(function_id)
        await self._foreign.start()
        core.host.on_worker_change(self._changed)
        self._tasks.spawn(self._tick())

    async def stop(self) -> None:
        """Stop serving; what is on record stays."""
        for function_id in self._served:
            self._core.host.withdraw(function_id)
        self._served.clear()
        self._core.flush()
        await self._tasks.close()

    def _begin(self, t: Transaction) -> tuple[int, list[OpenRow], list[RosterRow], set[str]]:
        now = self._core.clock.wall()
        generation = t.roster.next_generation()
        _, codes = self._retention.sweep(t, Prune())
        if generation > 1:
            t.jobs.record([EventRow("services_restarted", now)])
        return generation, t.jobs.open(), t.roster.all(), codes

    def _restore(self, rows: list[OpenRow], roster: list[RosterRow]) -> None:
        core, now = self._core, self._core.clock.monotonic()
        there = {row.id for row in roster}
        # What it can run, a worker says when it is back.
        workers = [Worker(row.id, 1, frozenset(), home=None, heard_at=now) for row in roster]
        jobs: list[OpenJob] = []
        for row in rows:
            job = row.job
            open_job = OpenJob(
                job.id, Route(job.run, job.task, job.code), job.at_most_once, row.deliveries,
                row.voided, shared_losses=row.shared_losses, lone_losses=row.lone_losses,
            )  # fmt: skip
            if row.holder in there:
                start = start_id(job.id, row.deliveries)
                open_job.starts[start] = Started(row.holder, row.alone)
            core.remember(row.run_no, job)
            jobs.append(open_job)
        core.dispatch.restore(jobs, workers, now)

    def _changed(self, change: WorkerChange) -> None:
        # Once nothing is served any more, links close because everything ends: no loss of anybody.
        if self._served and change.event == "disconnected":
            self._workers.link_closed(change.worker_id)
            self._drivers.left(change.worker_id)

    async def _tick(self) -> None:
        clock = self._core.clock
        while True:
            before = clock.monotonic()
            await clock.sleep(TICK_SECONDS)
            await self._workers.tick()
            if clock.monotonic() - before < 2 * TICK_SECONDS:  # else it was us who were paused
                self._drivers.look_after()

    def _functions(self) -> dict[str, Handler]:
        runs, workers, dead = self._runs, self._workers, self._dead
        listing = self._listing
        typed: dict[str, tuple[type[Any], Callable[[Any, str | None], Awaitable[Json]]]] = {
            "run::open": (OpenRun, runs.open),
            "run::rejoin": (Rejoin, runs.rejoin),
            "run::put": (PutSteps, runs.put),
            "run::submit": (Submit, runs.submit),
            "run::read": (ReadRun, runs.read),
            "run::known": (Ids, runs.known),
            "run::cancel_jobs": (Ids, runs.cancel_jobs),
            "run::end": (EndRun, runs.end),
            "run::release": (RunEpoch, runs.release),
            "run::cancel": (RunName, runs.cancel),
            "run::get": (RunName, listing.get),
            "run::around": (Around, listing.around),
            "run::events": (ReadEvents, self._events.read),
            "run::output": (ReadOutput, self._events.output),
            "runs::list": (Limit, listing.list),
            "runs::prune": (Prune, self._retention.prune),
            "driver::alive": (Driver, self._drivers.alive),
            "tasks::unserved": (Serves, listing.unserved),
            "functions::unserved": (Functions, self._foreign.unserved),
            "worker::hello": (Hello, workers.hello),
            "worker::brings": (Brings, workers.brings),
            "worker::outcomes": (Outcomes, workers.outcomes),
            "worker::output": (Output, workers.output),
            "worker::bye": (WorkerName, workers.bye),
            "worker::drain": (WorkerName, workers.drain),
            "worker::kill_asked": (WorkerName, workers.kill_asked),
            "workers::list": (Limit, workers.list),
            "dead::list": (Limit, dead.list),
            "dead::redrive": (Redrive, dead.redrive),
            "dead::discard": (JobName, dead.discard),
            "queues::list": (Limit, dead.queues),
        }
        return {
            f"agentfx::{name}": _handler(f"agentfx::{name}", kind, serve)
            for name, (kind, serve) in typed.items()
        }


def _handler(
    function_id: str, kind: type[T], serve: Callable[[T, str | None], Awaitable[Json]]
) -> Handler:
    async def handle(data: Json, caller: str | None) -> Json:
        return await serve(parse(kind, function_id, data), caller)

    return handle
