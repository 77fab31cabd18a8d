"""A backend in one process, as an example to copy: no durability, the same meaning."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import agentfx.interpreters as port
from agentfx.algebra import AnyTask, TaskContext, is_task, task_named
from agentfx.jobs import Job
from agentfx.testing._alone import Alone


@dataclass
class _Run:
    fingerprint: str
    life: int
    listener: port.Listener | None = None
    epoch: int = 0
    state: port.RunState = "running"
    exit: str | None = None
    steps: dict[str, port.JournalStep] = field(default_factory=dict[str, port.JournalStep])
    settled: dict[str, port.SettledJob] = field(default_factory=dict[str, port.SettledJob])
    running: dict[str, "asyncio.Task[None]"] = field(
        default_factory=dict[str, "asyncio.Task[None]"]
    )
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class InMemoryBackend(Alone):
    """Implements `Backend` with dictionaries; jobs run on the loop of whoever submits them."""

    code: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, _Run] = {}

    async def open_run(self, request: port.RunRequest, listener: port.Listener) -> port.OpenedRun:
        """See `Backend.open_run`."""
        known = self._runs.get(request.run)
        if known is None or request.fresh:
            run = self._runs[request.run] = _Run(
                request.fingerprint, known.life + 1 if known else 0
            )
            self._tell_watchers(request.run, "run_started")
        else:
            run = known
        if run.fingerprint != request.fingerprint:
            raise port.OtherProgramError(f"run {request.run} belongs to another program")
        if run.state != "running":
            return port.OpenedRun("ended", run.epoch, run.state, run.exit, run.life)
        if run.listener not in (None, listener):
            return port.OpenedRun("attached", run.epoch, run.state, None, run.life)
        run.listener, run.epoch = listener, run.epoch + 1
        return port.OpenedRun(
            "resumed" if run is known else "new", run.epoch, run.state, None, run.life
        )

    def _driven(self, run: str, epoch: int) -> _Run:
        known = self._runs[run]
        if known.state != "running":
            raise port.RunEndedError(f"run {run} has ended")
        if known.epoch != epoch:
            raise port.SupersededError(f"another driver goes on with run {run}")
        return known

    async def read_run(self, run: str, cursor: tuple[str, int] | None) -> port.RunPage:
        """See `Backend.read_run`: everything is one page here."""
        known = self._runs[run]
        return port.RunPage(list(known.steps.values()), list(known.settled.values()))

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[port.JournalStep]
    ) -> list[tuple[str, str]]:
        """See `Backend.put_once`."""
        known = self._driven(run, epoch)
        winners = [known.steps.setdefault(step.path, step) for step in steps]
        return [(step.what, step.value) for step in winners]

    def submit(
        self, run: str, epoch: int, jobs: Sequence[Job], opened: Sequence[port.OpenedStep]
    ) -> None:
        """See `Backend.submit`."""
        known = self._driven(run, epoch)
        for job in jobs:
            if job.id in known.settled:
                _tell_driver(known, known.settled[job.id])
            elif job.id not in known.running:
                known.running[job.id] = asyncio.ensure_future(self._execute(known, job))

    async def _execute(self, run: _Run, job: Job) -> None:
        about = {"job": job.id, "path": job.path, "task": job.task, "worker": "here"}
        self._tell_watchers(job.run, "job_started", **about)
        context = TaskContext(job.key, job.attempt, 1, "here", job.run)
        try:
            wire = await port.execute(_task(job.task), job.input, context)
        finally:
            del run.running[job.id]
        state: port.JobState = "dead" if wire.get("err") == "agentfx:TaskError" else "done"
        settled = run.settled[job.id] = port.SettledJob(
            job.id, job.path, job.attempt, job.task, job.input, state, json.dumps(wire)
        )
        self._tell_watchers(job.run, f"job_{state}", **about)
        _tell_driver(run, settled)

    async def unknown(self, run: str, epoch: int, ids: Sequence[str]) -> list[str]:
        """See `Backend.unknown`."""
        known = self._runs[run]
        return [i for i in ids if i not in known.settled and i not in known.running]

    def cancel_jobs(self, run: str, epoch: int, ids: Sequence[str]) -> None:
        """See `Backend.cancel_jobs`."""
        for job in self._runs[run].running.keys() & set(ids):
            self._runs[run].running[job].cancel()

    async def end_run(
        self, run: str, epoch: int, end: port.RunEnd
    ) -> tuple[port.RunState, str | None]:
        """See `Backend.end_run`."""
        known = self._driven(run, epoch)
        known.state, known.exit = ("done" if end.ok else "failed"), end.exit
        self._tell_watchers(run, "run_ended", error=end.error)
        return known.state, known.exit

    async def release_run(self, run: str, epoch: int) -> None:
        """See `Backend.release_run`."""
        self._runs[run].listener = None

    async def cancel_run(self, run: str) -> int:
        """See `Backend.cancel_run`."""
        known = self._runs[run]
        known.state = "cancelled"
        self.cancel_jobs(run, known.epoch, list(known.running))
        self._tell_watchers(run, "run_ended", error="cancelled")
        if known.listener is not None:
            known.listener.run_ended(known.state, None)
        return 0

    async def run_state(self, run: str) -> port.RunState | None:
        """See `Backend.run_state`."""
        return self._runs[run].state if run in self._runs else None

    async def events(self, run: str, after: int, wait_seconds: float) -> list[dict[str, Any]]:
        """See `Backend.events`; nothing waits here, so a watcher has to ask again."""
        await asyncio.sleep(0)
        return self._runs[run].events[after:]

    def _tell_watchers(self, run: str, kind: str, **fields: Any) -> None:
        events = self._runs[run].events
        events.append(
            {"seq": len(events) + 1, "at": time.time(), "run": run, "type": kind, **fields}
        )

    async def check_tasks(self, tasks: Sequence[str]) -> None:
        """See `Backend.check_tasks`."""
        if missing := [task for task in tasks if task_named(task) is None]:
            raise port.NoWorkerError(f"this process has no {', '.join(missing)}")

    async def call(self, task: str, arguments: str) -> str:
        """See `Backend.call`."""
        context = TaskContext("", 1, 1, "here", "")
        return json.dumps(await port.execute(_task(task), arguments, context))


def _task(task_id: str) -> AnyTask:
    found = task_named(task_id)
    assert is_task(found)  # noqa: S101 - `check_tasks` refused others
    return found


def _tell_driver(run: _Run, job: port.SettledJob) -> None:
    if run.listener is not None:
        run.listener.settled(job.id, job.state, job.outcome)
