"""The backend of `run_dist` on an iii engine that hosts the agentfx services."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from secrets import token_hex
from typing import Any, TypeAlias

from agentfx._clock import Clock, SystemClock
from agentfx.algebra import Published, TaskError, encode_err
from agentfx.backends._connection import LOST_SECONDS, CallError, Connection, LinkLostError
from agentfx.backends._remote import call_remote, published
from agentfx.interpreters import (
    BackendError,
    BackendLostError,
    JobState,
    JournalStep,
    Listener,
    NoWorkerError,
    OpenedRun,
    OpenedStep,
    OtherProgramError,
    RedrivenError,
    RunEnd,
    RunEndedError,
    RunPage,
    RunRequest,
    RunState,
    ServiceError,
    SettledJob,
    SupersededError,
)
from agentfx.jobs import Job
from agentfx.wire import ABSENT, Json, failure_in, packed, unpacked

BEAT_SECONDS = 1.0
UNKNOWN_TASK_SECONDS = 2.0
RESTARTED_SECONDS = 0.5
"""An answer that takes so long was not to be had for a while."""
MISSING_SECONDS = 3.0
"""How long to wait for services on an engine where none was ever heard of."""
FRAME_JOBS = 256
FRAME_BYTES = 4 * 1024 * 1024
Settled: TypeAlias = tuple[str, JobState, str | None]
_SETTLED: tuple[JobState, ...] = ("done", "dead")
_ERRORS: dict[str, type[BackendError]] = {
    "other_program": OtherProgramError,
    "superseded": SupersededError,
    "redriven": RedrivenError,
    "run_ended": RunEndedError,
    "unknown_run": BackendError,
}


@dataclass(slots=True)
class _Driven:
    """A run that a driver of this process drives or watches."""

    listener: Listener
    loop: asyncio.AbstractEventLoop
    epoch: int = 0
    jobs: set[str] = field(default_factory=set[str])


class IiiBackend:
    """Implements `Backend` over one connection.

    Args:
        connection: To the engine.
        clock: The time.
        code: Version of this process's code, where workers have to load it.
    """

    def __init__(
        self, connection: Connection, clock: Clock | None = None, code: str | None = None
    ) -> None:
        self.connection = connection
        self._clock = clock or SystemClock()
        self._code = code
        self._driver = token_hex(8)
        self._runs: dict[str, _Driven] = {}
        self._run_of: dict[str, str] = {}
        self._answered = False

    async def start(self) -> None:
        """Serve the function by which the services reach this driver."""
        function_id = f"agentfx::driver::{self._driver}"
        self.connection.serve(function_id, self._hear, metadata={"internal": True})
        self.connection.on_change(self._link_changed)
        await self._until_served(function_id)
        beat = {"driver": self._driver}
        self.connection.beat(
            self._clock, BEAT_SECONDS, lambda: self.connection.send("agentfx::driver::alive", beat)
        )

    async def _until_served(self, function_id: str) -> None:
        deadline = self._clock.monotonic() + LOST_SECONDS
        while True:
            try:
                await self.connection.served(function_id, self._clock)
            except LinkLostError:
                if self._clock.monotonic() > deadline:
                    raise self._lost(services_missing=False) from None
                await self._clock.sleep(0.02)
            else:
                return

    async def close(self) -> None:
        """Close the connection."""
        await self.connection.close()

    @property
    def code(self) -> str | None:
        """See `Backend.code`."""
        return self._code

    # What the services tell; on the SDK's thread

    async def _hear(self, message: Json) -> Json:
        if message.get("back"):
            self._link_changed(True)  # the services were restarted, our link was not
        settled: dict[str, list[Settled]] = {}
        for state in _SETTLED:
            for job_id, outcome in unpacked(message, state):
                run_id = self._run_of.pop(job_id, "")
                settled.setdefault(run_id, []).append((job_id, state, outcome))
        for run_id, jobs in settled.items():
            self._tell(run_id, partial(_settle, jobs=jobs))
        for run_id, state, exit_ in unpacked(message, "ended"):
            self._tell(run_id, partial(_end, state=state, exit_=exit_))
        for run_id in unpacked(message, "released"):
            self._tell(run_id, _release)
        for run_id, epoch in unpacked(message, "superseded"):
            self._refuse(run_id, epoch, "superseded", "another driver goes on with the run")
        for run_id, epoch, code, text in unpacked(message, "refused"):
            self._refuse(run_id, epoch + 1, code, text)
        return None

    def _tell(self, run_id: str, deliver: Callable[[Listener], None]) -> None:
        run = self._runs.get(run_id)
        if run is not None:
            run.loop.call_soon_threadsafe(deliver, run.listener)

    def _refuse(self, run_id: str, epoch: int, code: str, text: str) -> None:
        """The run is in this epoch now; refused is only who is in an earlier one."""
        run = self._runs.get(run_id)
        if run is not None and run.epoch < epoch:
            run.loop.call_soon_threadsafe(self._refuse_now, run_id, run, _error(code, text))

    def _refuse_now(self, run_id: str, run: _Driven, error: BackendError) -> None:
        if self._runs.get(run_id) is run:  # else it was opened again meanwhile
            run.listener.refused(error)

    def _link_changed(self, is_open: bool) -> None:
        for run_id, run in list(self._runs.items()):
            if not is_open:  # who only waits has to find out whether it comes back
                run.loop.call_soon_threadsafe(run.listener.reconnected)
                continue
            run.loop.call_soon_threadsafe(self._rejoin_soon, run_id)

    def _rejoin_soon(self, run_id: str) -> None:
        run = self._runs.get(run_id)
        if run is not None and run.epoch:
            task = asyncio.ensure_future(self._rejoin(run_id, run))
            _kept.add(task)
            task.add_done_callback(_kept.discard)

    async def _rejoin(self, run_id: str, run: _Driven) -> None:
        """After a restart of the services: they forgot who drives what."""
        message = {"run": run_id, "epoch": run.epoch, "driver": self._driver}
        try:
            await self.connection.served(f"agentfx::driver::{self._driver}", self._clock)
            await self._ask("run::rejoin", message)
        except BackendError as error:
            self._refuse_now(run_id, run, error)
        except LinkLostError:
            return  # the next reconnect tries again
        else:
            run.listener.reconnected()

    # What the driver asks

    async def _ask(self, name: str, data: Json) -> Json:
        """Call the services; again after a lost link, since all of their calls are idempotent."""
        begun = self._clock.monotonic()
        while True:
            try:
                answer = await self.connection.call(f"agentfx::{name}", data)
                self._answered = True
                return answer
            except CallError as error:
                if error.code not in ABSENT:
                    raise _error(error.code, error.message) from None
                missing = error.code == "function_not_found"
            except LinkLostError:
                missing = False
            if self.connection.is_closed:  # by us: nobody brings it back
                raise self._lost(services_missing=False)
            # Services that were there once come back; else it is worth no more than their start.
            bound = MISSING_SECONDS if missing and not self._answered else LOST_SECONDS
            if self._clock.monotonic() - begun > bound:
                raise self._lost(services_missing=missing)
            await self._clock.sleep(0.02)

    def _lost(self, *, services_missing: bool) -> BackendLostError:
        url = self.connection.url
        if services_missing:
            return BackendLostError(
                f"the engine at {url} has no agentfx services: start them with "
                f"`agentfx services --url {url}`"
            )
        return BackendLostError(
            f"the engine at {url} is gone; what is on record is kept: bring it back with "
            "`agentfx up`, then resume the run"
        )

    async def request(self, name: str, data: Json) -> Json:
        """Ask the services anything; see `agentfx::*` in the reference."""
        return await self._ask(name, data)

    async def open_run(self, request: RunRequest, listener: Listener) -> OpenedRun:
        """See `Backend.open_run`."""
        driven = _Driven(listener, asyncio.get_running_loop())
        self._runs[request.run] = driven
        answer = await self._ask("run::open", {**asdict(request), "driver": self._driver})
        if answer["how"] in ("new", "resumed"):
            driven.epoch = answer["epoch"]
        return OpenedRun(
            answer["how"], answer["epoch"], answer["status"], answer["exit"], answer["life"]
        )

    async def read_run(self, run: str, cursor: tuple[str, int] | None) -> RunPage:
        """See `Backend.read_run`."""
        after_step, after_job = cursor or ("", 0)
        answer = await self._ask(
            "run::read", {"run": run, "after_step": after_step, "after_job": after_job}
        )
        steps = [JournalStep(*step) for step in answer["steps"]]
        jobs = [SettledJob(*job) for job in answer["jobs"]]
        after = (steps[-1].path if steps else after_step, answer["after_job"])
        return RunPage(steps, jobs, after if steps or jobs else None)

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[JournalStep]
    ) -> list[tuple[str, str]]:
        """See `Backend.put_once`."""
        rows = [
            {"path": s.path, "what": s.what, "value": s.value, "error": s.error} for s in steps
        ]  # fmt: skip
        message = {"run": run, "epoch": epoch, "steps": rows}
        answer = await self._ask("run::put", message)
        return [(what, value) for what, value in answer]

    def submit(
        self, run: str, epoch: int, jobs: Sequence[Job], opened: Sequence[OpenedStep]
    ) -> None:
        """See `Backend.submit`."""
        driven = self._runs.get(run)
        if driven is None:
            return
        for job in jobs:
            driven.jobs.add(job.id)
            self._run_of[job.id] = run
        steps = [asdict(step) for step in opened]
        for batch in _frames(jobs) or [[]]:
            message = {"run": run, "epoch": epoch, "jobs": packed(batch), "opened": steps}
            self.connection.send("agentfx::run::submit", message)
            steps = []

    async def unknown(self, run: str, epoch: int, ids: Sequence[str]) -> list[str]:
        """See `Backend.unknown`."""
        for job_id in ids:
            self._run_of[job_id] = run
        found: list[str] = await self._ask(
            "run::known", {"run": run, "epoch": epoch, "ids": list(ids)}
        )
        return found

    def cancel_jobs(self, run: str, epoch: int, ids: Sequence[str]) -> None:
        """See `Backend.cancel_jobs`."""
        for job_id in ids:
            self._run_of.pop(job_id, None)
        message = {"run": run, "epoch": epoch, "ids": list(ids)}
        self.connection.send("agentfx::run::cancel_jobs", message)

    async def end_run(self, run: str, epoch: int, end: RunEnd) -> tuple[RunState, str | None]:
        """See `Backend.end_run`."""
        answer = await self._ask("run::end", {"run": run, "epoch": epoch, **asdict(end)})
        self._forget(run)
        return answer["status"], answer["exit"]

    async def release_run(self, run: str, epoch: int) -> None:
        """See `Backend.release_run`."""
        self._forget(run)
        await self._ask("run::release", {"run": run, "epoch": epoch})

    def _forget(self, run: str) -> None:
        driven = self._runs.pop(run, None)
        for job_id in driven.jobs if driven is not None else ():
            self._run_of.pop(job_id, None)

    async def cancel_run(self, run: str) -> int:
        """See `Backend.cancel_run`."""
        return int((await self._ask("run::cancel", {"run": run}))["running"])

    async def run_state(self, run: str) -> RunState | None:
        """See `Backend.run_state`."""
        row = await self._ask("run::get", {"run": run})
        return None if row is None else row["status"]

    async def events(self, run: str, after: int, wait_seconds: float) -> list[dict[str, Any]]:
        """See `Backend.events`."""
        message = {"run": run, "after": after, "wait_seconds": wait_seconds}
        found: list[dict[str, Any]] = await self._ask("run::events", message)
        return found

    async def check_tasks(self, tasks: Sequence[str]) -> None:
        """See `Backend.check_tasks`."""
        deadline = self._clock.monotonic() + UNKNOWN_TASK_SECONDS
        message = {"tasks": list(tasks), "code": self._code}
        while True:
            asked = self._clock.monotonic()
            answer = await self._ask("tasks::unserved", message)
            if not answer["missing"]:
                return
            now = self._clock.monotonic()
            if answer["settling"] or now - asked > RESTARTED_SECONDS:
                deadline = now + UNKNOWN_TASK_SECONDS  # services were restarted meanwhile
            elif now > deadline:
                raise NoWorkerError(_no_worker(answer))
            await self._clock.sleep(0.05)

    async def call(self, task: str, arguments: str) -> str:
        """See `Backend.call`."""
        import orjson

        try:
            answer = await self.connection.call(task, orjson.loads(arguments))
        except CallError as error:
            return orjson.dumps(_failed_call(task, error)).decode()
        return orjson.dumps({"ok": orjson.dumps(answer).decode()}).decode()

    async def update_state(
        self, scope: str, key: str, operations: Sequence[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """See `Backend.update_state`."""
        message = {"scope": scope, "key": key, "ops": list(operations)}
        answer = await self._ask("state::update", message)
        if answer.get("errors"):
            raise BackendError(f"state {scope}/{key} cannot be updated: {answer['errors']}")
        before: dict[str, Any] | None = answer["old_value"]
        return before

    async def delete_state(self, scope: str, key: str) -> None:
        """See `Backend.delete_state`."""
        await self._ask("state::delete", {"scope": scope, "key": key})

    async def check_functions(self, functions: Sequence[str]) -> None:
        """See `Backend.check_functions`."""
        deadline = self._clock.monotonic() + UNKNOWN_TASK_SECONDS
        while missing := await self._ask("functions::unserved", {"functions": list(functions)}):
            if self._clock.monotonic() > deadline:
                raise NoWorkerError(
                    f"no worker serves {', '.join(missing)}: start one, as with `agentfx up "
                    "--serve FOLDER`; the run is kept and goes on when it is resumed"
                )
            await self._clock.sleep(0.05)

    async def published(self, function_id: str) -> Published | None:
        """See `Backend.published`."""
        try:
            found = await published(self.connection, function_id)
        except LinkLostError:
            return None  # the call itself says what that means
        return None if found is None else found.published

    async def call_remote(self, function_id: str, data: str, timeout_seconds: float) -> str:
        """See `Backend.call_remote`."""
        return json.dumps(await call_remote(self.connection, function_id, data, timeout_seconds))


_kept: set[asyncio.Task[None]] = set()


def _settle(listener: Listener, jobs: list[Settled]) -> None:
    for job_id, state, outcome in jobs:
        listener.settled(job_id, state, outcome)


def _end(listener: Listener, state: RunState, exit_: str | None) -> None:
    listener.run_ended(state, exit_)


def _release(listener: Listener) -> None:
    listener.released()


def _frames(jobs: Sequence[Job]) -> list[list[Json]]:
    """Jobs as JSON, in messages of a bounded size."""
    frames: list[list[Json]] = []
    size = FRAME_BYTES
    for job in jobs:
        if size + len(job.input) > FRAME_BYTES or len(frames[-1]) >= FRAME_JOBS:
            frames.append([])
            size = 0
        size += len(job.input) + 300
        frames[-1].append(_lean(job))
    return frames


_JOB_FIELDS = tuple(Job.__dataclass_fields__)


def _lean(job: Job) -> Json:
    found = ((name, getattr(job, name)) for name in _JOB_FIELDS)
    return {name: value for name, value in found if value is not None}


def _error(code: str, text: str) -> BackendError:
    known = _ERRORS.get(code)
    return ServiceError(code, text) if known is None else known(text)


def _no_worker(answer: Json) -> str:
    missing = ", ".join(answer["missing"])
    if not answer["workers"]:
        return f"no worker is there for {missing}: start one with `agentfx worker`, or `agentfx up`"
    there = "; ".join(
        f"{row['worker']} has {', '.join(row['tasks']) or 'no tasks'}"
        f"{', and cannot load the code of this folder' if row['elsewhere'] else ''}"
        for row in sorted(answer["workers"], key=lambda row: str(row["worker"]))
    )
    return (
        f"no worker has {missing}: {there}. Give tasks= the module that defines it; the run is "
        "kept and goes on when it is resumed"
    )


def _failed_call(task: str, error: CallError) -> Json:
    failed = failure_in(error.code, error.message)
    if failed is not None:
        return {"err": failed[0], "value": failed[1]}
    missing = error.code == "function_not_found"
    failure = TaskError(task=task, reason="no_worker" if missing else "crashed", message=str(error))
    return encode_err(task, failure)
