"""What a worker runs: it enforces its slots, joins starts of one job, keeps outcomes.

A worker is the arbiter of what it runs. Whatever the services believe, a job that is held here
is not started a second time, and its outcome is kept until it is on record.
"""

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agentfx._clock import Clock
from agentfx.algebra import AnyTask, Reason, TaskContext, TaskError, Wire, encode_err
from agentfx.cluster._bundle import BundleError
from agentfx.cluster._output import printing_job
from agentfx.interpreters import execute, thread_started
from agentfx.wire import Json

_log = logging.getLogger("agentfx")
UNCONFIRMED_SECONDS = 600.0
UNCONFIRMED_BYTES = 64 * 1024 * 1024

FindTask = Callable[[str, str | None], AnyTask | None]
"""Finds a task by its id and the version of the driver's code."""


@dataclass(slots=True)
class _Held:
    """A job that runs here, or whose outcome is not yet confirmed.

    Attributes:
        starts: All hand-overs of it; each gets the outcome.
        thread: Runs its function, if it is a sync one.
    """

    message: Json
    starts: list[str]
    running: asyncio.Task[None] | None = None
    thread: threading.Thread | None = None
    outcome: Json = None
    ended_at: float = 0.0
    dropped: bool = False
    size: int = field(default=0)


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
        self._label, self._slots, self._find = label, slots, find
        self._clock, self._report = clock, report
        self._held: dict[str, _Held] = {}
        self._queue: deque[str] = deque()
        self._busy = 0
        self._outcomes: list[Json] = []
        self.idle = asyncio.Event()
        self.idle.set()
        self.stuck = asyncio.Event()

    # What the services say

    def start(self, message: Json) -> None:
        """Take a job, or join it if it is held."""
        job_id, start = message["id"], message["start"]
        held = self._held.get(job_id)
        if held is None:
            self._held[job_id] = _Held(message, [start])
            self._queue.append(job_id)
            self._next()
        elif start not in held.starts:
            held.starts.append(start)
            if held.outcome is not None:
                self._say({**held.outcome, "start": start})

    def stop(self, start: str) -> None:
        """Stop a job, and forget it; its outcome no longer counts."""
        held = self._by_start(start)
        if held is None:
            return
        held.starts.remove(start)
        if held.starts:
            return
        held.dropped = True
        if held.running is None or held.outcome is not None:
            self._forget(held)
        else:
            held.running.cancel()

    def confirm(self, start: str) -> None:
        """An outcome is on record."""
        held = self._by_start(start)
        if held is not None:
            held.starts.remove(start)
            if not held.starts and held.outcome is not None:
                self._forget(held)

    def held(self) -> list[tuple[str, str]]:
        """(start, job) of all that runs or waits here, or has an unconfirmed outcome."""
        return [(start, job) for job, held in list(self._held.items()) for start in held.starts]

    def unconfirmed(self) -> list[Json]:
        """Outcomes that may not have arrived."""
        return [
            {**held.outcome, "start": start}
            for held in self._held.values()
            if held.outcome is not None
            for start in held.starts
        ]

    def _by_start(self, start: str) -> _Held | None:
        held = self._held.get(start.rpartition("/")[0])
        return held if held is not None and start in held.starts else None

    # Running

    def _next(self) -> None:
        while self._queue and self._busy < self._slots:
            held = self._held.get(self._queue.popleft())
            if held is None or held.dropped:
                continue
            self._busy += 1
            self.idle.clear()
            held.running = asyncio.get_running_loop().create_task(self._run(held))

    async def _run(self, held: _Held) -> None:
        begun = self._clock.monotonic()
        try:
            wire = await self._execute(held)
            self._end(held, wire, (self._clock.monotonic() - begun) * 1000)
        finally:
            if held.thread is not None and held.thread.is_alive():
                self._leave_to(held.thread, asyncio.get_running_loop())
                if not held.dropped:  # past its time limit, and nobody can end it
                    self.stuck.set()
            else:
                self._free()
            if held.dropped:
                self._forget(held)

    def _leave_to(self, thread: threading.Thread, loop: asyncio.AbstractEventLoop) -> None:
        """A thread cannot be stopped: its slot is free when it ends by itself."""

        def wait() -> None:
            thread.join()
            loop.call_soon_threadsafe(self._free)

        threading.Thread(target=wait, daemon=True).start()

    def _free(self) -> None:
        self._busy -= 1
        self._next()
        if not self._busy:
            self.idle.set()

    async def _execute(self, held: _Held) -> Wire:
        message = held.message
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
            held.thread = thread

        printing_job.set(message["id"])
        thread_started.set(started)
        try:
            return await execute(task, message["input"], context)
        except Exception as error:
            # Not of the function: its contract cannot be built, say. The job must end all the same.
            _log.exception("task %s could not be run", name)
            return _task_error(name, "crashed", f"{type(error).__name__}: {error}")

    def _end(self, held: _Held, wire: Wire, ms: float) -> None:
        message = held.message
        text = json.dumps(wire)
        held.size, held.ended_at = len(text), self._clock.monotonic()
        held.outcome = {
            "job": message["id"],
            "outcome": text,
            "ms": round(ms, 3),
            "error": _one_line(wire),
            "dead": wire.get("err") == "agentfx:TaskError",
        }
        for start in held.starts:
            self._say({**held.outcome, "start": start})

    def _say(self, outcome: Json) -> None:
        if not self._outcomes:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outcomes.append(outcome)

    def _flush(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        self._report(outcomes)

    def _forget(self, held: _Held) -> None:
        self._held.pop(held.message["id"], None)

    def sweep(self) -> None:
        """Let go of outcomes that nobody confirms: too old, or too many."""
        ended = [held for held in self._held.values() if held.outcome is not None]
        size = sum(held.size for held in ended)
        now = self._clock.monotonic()
        for held in sorted(ended, key=lambda h: h.ended_at):
            if size <= UNCONFIRMED_BYTES and now - held.ended_at < UNCONFIRMED_SECONDS:
                return
            size -= held.size
            self._forget(held)

    async def cancel(self) -> None:
        """Stop everything."""
        running = [h.running for h in self._held.values() if h.running is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _task_error(task: str, reason: Reason, message: str) -> Wire:
    return encode_err(task, TaskError(task=task, reason=reason, message=message))


def _one_line(wire: Wire) -> str | None:
    if "err" not in wire:
        return None
    name = str(wire["err"]).rpartition(":")[2]
    return f"{name} {wire['value']}"[:500]
