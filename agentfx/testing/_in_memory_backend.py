"""A backend in one process, as an example to copy: no durability, the same meaning."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agentfx.algebra import Published, TaskContext, TaskError, encode_err, is_task, task_named
from agentfx.interpreters import (
    JobState,
    JournalStep,
    Listener,
    NoWorkerError,
    OpenedRun,
    OpenedStep,
    OtherProgramError,
    RunEnd,
    RunEndedError,
    RunPage,
    RunRequest,
    RunState,
    SettledJob,
    SupersededError,
    execute,
)
from agentfx.jobs import Job
from agentfx.services._input import Input
from agentfx.services.state._parse import operations as read_operations
from agentfx.services.state._update import MISSING, update


@dataclass
class _Run:
    fingerprint: str
    listener: Listener | None = None
    epoch: int = 0
    life: int = 0
    state: RunState = "running"
    exit: str | None = None
    steps: dict[str, JournalStep] = field(default_factory=dict[str, JournalStep])
    jobs: dict[str, SettledJob | None] = field(default_factory=dict[str, SettledJob | None])
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class InMemoryBackend:
    """Implements `Backend` with dictionaries; jobs run on the loop of whoever submits them."""

    code: str | None = None

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._seq = itertools.count(1)
        self._state: dict[tuple[str, str], Any] = {}

    async def open_run(self, request: RunRequest, listener: Listener) -> OpenedRun:
        """See `Backend.open_run`."""
        run = self._runs.get(request.run)
        how = "new" if run is None or request.fresh else "resumed"
        if run is None or request.fresh:
            life = 0 if run is None else run.life + 1
            run = self._runs[request.run] = _Run(request.fingerprint, life=life)
            self._event(request.run, "run_started")
        if run.fingerprint != request.fingerprint:
            raise OtherProgramError(f"run {request.run} belongs to another program")
        if run.state != "running":
            return OpenedRun("ended", run.epoch, run.state, run.exit, run.life)
        if run.listener not in (None, listener):
            return OpenedRun("attached", run.epoch, run.state, None, run.life)
        run.listener = listener
        run.epoch += 1
        return OpenedRun("new" if how == "new" else "resumed", run.epoch, "running", None, run.life)

    async def read_run(self, run: str, cursor: tuple[str, int] | None) -> RunPage:
        """See `Backend.read_run`: everything is one page here."""
        known = self._runs[run]
        return RunPage(list(known.steps.values()), [job for job in known.jobs.values() if job])

    def _driven(self, run: str, epoch: int) -> _Run:
        known = self._runs[run]
        if known.state != "running":
            raise RunEndedError(f"run {run} has ended")
        if known.epoch != epoch:
            raise SupersededError(f"another driver goes on with run {run}")
        return known

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[JournalStep]
    ) -> list[tuple[str, str]]:
        """See `Backend.put_once`."""
        known = self._driven(run, epoch)
        winners = [known.steps.setdefault(step.path, step) for step in steps]
        return [(step.what, step.value) for step in winners]

    def submit(
        self, run: str, epoch: int, jobs: Sequence[Job], opened: Sequence[OpenedStep]
    ) -> None:
        """See `Backend.submit`."""
        known = self._driven(run, epoch)
        for job in jobs:
            settled = known.jobs.setdefault(job.id, None)
            if settled is not None:
                self._tell(known, settled)
            elif job.id not in self._running:
                self._running[job.id] = asyncio.ensure_future(self._execute(run, known, job))

    async def _execute(self, run_id: str, run: _Run, job: Job) -> None:
        about = {"job": job.id, "path": job.path, "task": job.task, "worker": "here"}
        try:
            self._event(run_id, "job_started", **about)
            task = task_named(job.task)
            assert is_task(task)  # noqa: S101 - `check_tasks` refused others
            context = TaskContext(job.key, job.attempt, 1, "here", run_id)
            wire = await execute(task, job.input, context)
            dead = wire.get("err") == "agentfx:TaskError"
            state: JobState = "dead" if dead else "done"
            settled = SettledJob(
                job.id, job.path, job.attempt, job.task, job.input, state, json.dumps(wire)
            )
            run.jobs[job.id] = settled
            self._event(run_id, "job_dead" if dead else "job_done", **about)
            self._tell(run, settled)
        finally:
            self._running.pop(job.id, None)

    def _tell(self, run: _Run, job: SettledJob) -> None:
        if run.listener is not None:
            run.listener.settled(job.id, job.state, job.outcome)

    async def unknown(self, run: str, epoch: int, ids: Sequence[str]) -> list[str]:
        """See `Backend.unknown`."""
        return [job_id for job_id in ids if job_id not in self._runs[run].jobs]

    def cancel_jobs(self, run: str, epoch: int, ids: Sequence[str]) -> None:
        """See `Backend.cancel_jobs`."""
        for job_id in ids:
            self._runs[run].jobs.pop(job_id, None)
            if job_id in self._running:
                self._running[job_id].cancel()

    async def end_run(self, run: str, epoch: int, end: RunEnd) -> tuple[RunState, str | None]:
        """See `Backend.end_run`."""
        known = self._driven(run, epoch)
        known.state, known.exit = ("done" if end.ok else "failed"), end.exit
        self._event(run, "run_ended", error=end.error)
        return known.state, known.exit

    async def release_run(self, run: str, epoch: int) -> None:
        """See `Backend.release_run`."""
        self._runs[run].listener = None

    async def cancel_run(self, run: str) -> int:
        """See `Backend.cancel_run`."""
        known = self._runs[run]
        known.state = "cancelled"
        self.cancel_jobs(run, known.epoch, [job for job, done in known.jobs.items() if not done])
        self._event(run, "run_ended", error="cancelled")
        if known.listener is not None:
            known.listener.run_ended(known.state, None)
        return 0

    async def run_state(self, run: str) -> RunState | None:
        """See `Backend.run_state`."""
        return self._runs[run].state if run in self._runs else None

    async def events(self, run: str, after: int, wait_seconds: float) -> list[dict[str, Any]]:
        """See `Backend.events`; nothing waits here, so a watcher has to ask again."""
        await asyncio.sleep(0)
        return [event for event in self._runs[run].events if event["seq"] > after]

    def _event(self, run: str, kind: str, **fields: Any) -> None:
        event = {"seq": next(self._seq), "at": time.time(), "run": run, "type": kind, **fields}
        self._runs[run].events.append(event)

    async def check_tasks(self, tasks: Sequence[str]) -> None:
        """See `Backend.check_tasks`."""
        missing = [task for task in tasks if task_named(task) is None]
        if missing:
            raise NoWorkerError(f"this process has no {', '.join(missing)}")

    async def call(self, task: str, arguments: str) -> str:
        """See `Backend.call`."""
        found = task_named(task)
        assert is_task(found)  # noqa: S101 - the program has the task in hand
        return json.dumps(await execute(found, arguments, TaskContext("", 1, 1, "here", "")))

    async def update_state(
        self, scope: str, key: str, operations: Sequence[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """See `Backend.update_state`."""
        before = self._state.get((scope, key))
        wanted = read_operations(Input("state::update", {"ops": list(operations)}))
        self._state[scope, key] = update(MISSING if before is None else before, wanted).value
        return before

    async def delete_state(self, scope: str, key: str) -> None:
        """See `Backend.delete_state`."""
        self._state.pop((scope, key), None)

    async def check_functions(self, functions: Sequence[str]) -> None:
        """See `Backend.check_functions`."""
        if functions:
            raise NoWorkerError(f"nobody serves {', '.join(functions)} here")

    async def published(self, function_id: str) -> Published | None:
        """See `Backend.published`: there are no other workers here."""
        return None

    async def call_remote(self, function_id: str, data: str, timeout_seconds: float) -> str:
        """See `Backend.call_remote`."""
        error = TaskError(task=function_id, reason="no_worker", message="nobody serves it")
        return json.dumps(encode_err(function_id, error))
