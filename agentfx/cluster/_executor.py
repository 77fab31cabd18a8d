"""Runs what a worker holds; the decisions are those of `jobs.Holding`."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from agentfx._clock import Clock
from agentfx.algebra import AnyTask, Reason, TaskContext, TaskError, Wire, encode_err
from agentfx.cluster._bundle import BundleError
from agentfx.cluster._output import printing_job
from agentfx.interpreters import execute, outcome_recorded, thread_started
from agentfx.jobs import Abort, Holding, Order, Run, Tell
from agentfx.wire import Json

_log = logging.getLogger("agentfx")
UNCONFIRMED_SECONDS = 600.0
UNCONFIRMED_BYTES = 64 * 1024 * 1024

FindTask = Callable[[str, str | None], AnyTask | None]
"""Finds a task by its id and the version of the driver's code."""


@dataclass(slots=True)
class _Work:
    """A job and what became of it.

    Attributes:
        message: As the services sent it, of the first start.
        thread: Runs its function, if it is a sync one.
        outcome: For the services, without the start.
        is_recorded: They have it on record, and need not be told.
    """

    message: Json
    running: asyncio.Task[None] | None = None
    thread: threading.Thread | None = None
    outcome: Json = None
    ended_at: float = 0.0
    is_recorded: bool = False


class Executor:
    """Runs jobs on the loop that made it.

    Args:
        label: Of the worker, for tasks that ask.
        slots: Jobs at once.
        find: Finds tasks.
        clock: The time.
        report: Called with the outcomes of this tick, each as the services read it.
    """

    def __init__(
        self,
        label: str,
        slots: int,
        find: FindTask,
        clock: Clock,
        report: Callable[[list[Json]], None],
    ) -> None:
        self._label, self._find, self._clock, self._report = label, find, clock, report
        self._holding = Holding(slots)
        self._work: dict[str, _Work] = {}
        self._outcomes: list[Json] = []
        self._late_threads = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.stuck = asyncio.Event()

    # What the services say

    def start(self, message: Json) -> None:
        """Take a job, or join it if it is held."""
        self._work.setdefault(message["id"], _Work(message))
        self._obey(self._holding.take(message["id"], message["start"]))

    def stop(self, start: str) -> None:
        """Stop a job, and forget it; its outcome no longer counts."""
        self._obey(self._holding.stop(_job_of(start), start))
        self._clean(_job_of(start))

    def confirm(self, start: str) -> None:
        """An outcome is on record."""
        self._holding.confirm(_job_of(start), start)
        self._clean(_job_of(start))

    def held(self) -> list[tuple[str, str]]:
        """(start, job) of all that runs or waits here, or has an unconfirmed outcome."""
        return self._holding.held()

    def unconfirmed(self) -> list[Json]:
        """Outcomes that may not have arrived."""
        return [self._outcome(tell) for tell in self._holding.unconfirmed()]

    def _clean(self, job: str) -> None:
        if job not in self._holding.jobs:
            self._work.pop(job, None)

    def _obey(self, orders: Sequence[Order]) -> None:
        for order in orders:
            match order:
                case Run():
                    self.idle.clear()
                    work = self._work[order.job]
                    loop = asyncio.get_running_loop()
                    work.running = loop.create_task(self._run(order.job, work))
                case Abort():
                    running = self._work[order.job].running
                    if running is not None:
                        running.cancel()
                case Tell():
                    self._say(self._outcome(order))

    # Running

    async def _run(self, job: str, work: _Work) -> None:
        begun = self._clock.monotonic()
        late = False
        try:
            wire = await self._execute(work)
            late = _is_late(wire)
            ms = (self._clock.monotonic() - begun) * 1000
            work.outcome, work.ended_at = _for_services(job, wire, ms), self._clock.monotonic()
        except asyncio.CancelledError:
            pass  # by `Abort`, or because the worker ends
        for order in self._holding.ended(job):
            if work.is_recorded and isinstance(order, Tell):
                self._holding.confirm(job, order.start)
            else:
                self._obey([order])
        self._clean(job)
        if work.thread is None or not work.thread.is_alive():
            self._free()
        elif late:  # nobody can end it
            self._late_threads += 1
            self._free_after(work.thread, self._free_late)
            self.stuck.set()
            self._rest()
        else:  # its function has just returned
            self._free_after(work.thread, self._free)

    def _free_after(self, thread: threading.Thread, free: Callable[[], None]) -> None:
        """A thread cannot be stopped: its slot is free when it ends by itself."""
        loop = asyncio.get_running_loop()

        def wait() -> None:
            thread.join()
            loop.call_soon_threadsafe(free)

        threading.Thread(target=wait, daemon=True).start()

    def _free(self) -> None:
        self._obey(self._holding.free())
        self._rest()

    def _free_late(self) -> None:
        self._late_threads -= 1
        self._free()

    def _rest(self) -> None:
        # A late thread has its outcome, and may never end: nobody waits for it.
        if self._holding.busy <= self._late_threads:
            self.idle.set()

    async def _execute(self, work: _Work) -> Wire:
        message = work.message
        name: str = message["task"]
        try:
            task = self._find(name, message.get("code"))
        except (BundleError, ImportError) as error:
            return _task_error(name, "no_worker", str(error))
        if task is None:
            return _task_error(name, "no_worker", f"worker {self._label} has no task {name}")
        context = TaskContext(
            idempotency_key=message["key"],
            attempt=message["attempt"],
            delivery=message["delivery"],
            worker=self._label,
            run_id=message["run"],
        )

        def started(thread: threading.Thread) -> None:
            work.thread = thread

        def recorded() -> None:
            work.is_recorded = True

        printing_job.set(message["id"])
        outcome_recorded.set(recorded)
        thread_started.set(started)
        try:
            return await execute(task, message["input"], context)
        except Exception as error:
            # Not of the function: its contract cannot be built, say. The job must end all the same.
            _log.exception("task %s could not be run", name)
            return _task_error(name, "crashed", f"{type(error).__name__}: {error}")

    # Telling

    def _outcome(self, tell: Tell) -> Json:
        return {**self._work[tell.job].outcome, "start": tell.start}

    def _say(self, outcome: Json) -> None:
        if not self._outcomes:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outcomes.append(outcome)

    def _flush(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        self._report(outcomes)

    def sweep(self) -> None:
        """Let go of outcomes that nobody confirms: too old, or too many."""
        ended = [(job, work) for job, work in self._work.items() if work.outcome is not None]
        size = sum(len(work.outcome["outcome"]) for _, work in ended)
        now = self._clock.monotonic()
        for job, work in sorted(ended, key=lambda item: item[1].ended_at):
            if size <= UNCONFIRMED_BYTES and now - work.ended_at < UNCONFIRMED_SECONDS:
                return
            size -= len(work.outcome["outcome"])
            self._holding.forget(job)
            self._clean(job)

    async def cancel(self) -> None:
        """Stop everything."""
        running = [work.running for work in self._work.values() if work.running is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _job_of(start: str) -> str:
    return start.rpartition("/")[0]


def _for_services(job: str, wire: Wire, ms: float) -> Json:
    return {
        "job": job,
        "outcome": orjson.dumps(wire).decode(),
        "ms": round(ms, 3),
        "error": _one_line(wire),
        "dead": wire.get("err") == "agentfx:TaskError",
    }


def _is_late(wire: Wire) -> bool:
    """Whether a task has run past its time limit."""
    is_error = wire.get("err") == "agentfx:TaskError"
    return is_error and bool(orjson.loads(wire["value"])["reason"] == "timeout")


def _task_error(task: str, reason: Reason, message: str) -> Wire:
    return encode_err(task, TaskError(task=task, reason=reason, message=message))


def _one_line(wire: Wire) -> str | None:
    if "err" not in wire:
        return None
    name = str(wire["err"]).rpartition(":")[2]
    return f"{name} {wire['value']}"[:500]
