"""What drivers ask: to open runs, to journal steps, to queue jobs, to read what is on record."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TypeAlias

from agentfx.jobs import Ended, Job, identity_of, job_id
from agentfx.services._host import FunctionError
from agentfx.services._run_rows import EventRow, RunRow, RunStatus, SettledJob, StepRow
from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import Core, dead_outcome, driver_id
from agentfx.services.dispatch._drivers import Drivers
from agentfx.services.dispatch._messages import (
    EndRun,
    Ids,
    Opened,
    OpenRun,
    PutSteps,
    ReadRun,
    Rejoin,
    RunEpoch,
    RunName,
    Step,
    Submit,
)
from agentfx.wire import Json

CANCELLED = "it was cancelled while it ran; it may have completed, and is not run again"
BACKLOG = 10_000
"""Operations that wait for the store beyond which submits are refused; drivers try again."""

_Added: TypeAlias = list[tuple[Job, int]]
"""New jobs, each with its hand-overs of before."""


class Runs:
    """The desk of the drivers."""

    def __init__(self, core: Core, drivers: Drivers) -> None:
        self._core, self._drivers = core, drivers

    async def open(self, message: OpenRun, caller: str | None) -> Json:
        """Start a run, go on with it, attach to it, or say how it ended."""
        self._drivers.heard(message.driver, caller)
        core, now = self._core, self._core.clock.wall()

        how, run, dropped = await core.write(lambda t: self._open(t, message, now))
        self._drop(dropped)
        core.notify()
        if how in ("new", "resumed"):
            self._drivers.drive(run, message.driver)
            if how == "new":
                core.runs[run.no].seen = set()
        elif how == "attached":
            self._drivers.live(run).watchers.add(message.driver)
        return {
            "how": how, "epoch": run.epoch, "life": run.life, "status": run.status,
            "exit": run.exit,
        }  # fmt: skip

    def _open(
        self, t: Transaction, message: OpenRun, now: float
    ) -> tuple[str, RunRow, Sequence[str]]:
        run = t.runs.find(message.run)
        if run is None:
            run = RunRow(
                0, message.run, message.program, message.fingerprint, 1, 0, message.driver,
                "running", None, None, now, None,
            )  # fmt: skip
            run = replace(run, no=t.runs.add(run))
            t.jobs.record([EventRow("run_started", now, run.no)])
            return "new", run, ()
        elsewhere = run.driver not in ("", message.driver) and self._drivers.is_alive(run.driver)
        if message.fresh:
            return "new", *self._start_over(t, run, message, now, elsewhere=elsewhere)
        if run.fingerprint != message.fingerprint:
            raise FunctionError(
                "other_program",
                f"run {run.id} belongs to another program: give a new run id, or start it over "
                "with fresh=True",
            )
        if run.status != "running":
            return "ended", run, ()
        if elsewhere:
            return "attached", run, ()
        epoch = t.runs.take_over(run.no, message.driver)
        t.jobs.record([EventRow("run_attached", now, run.no)])
        t.jobs.replayed(run.no, now)
        return "resumed", replace(run, epoch=epoch, driver=message.driver), ()

    def _start_over(
        self, t: Transaction, run: RunRow, message: OpenRun, now: float, *, elsewhere: bool
    ) -> tuple[RunRow, Sequence[str]]:
        if elsewhere:
            raise FunctionError(
                "run_driven", f"run {run.id} is being driven: cancel it before it is started over"
            )
        dropped = _cancel(t, t.jobs.open_of_run(run.no), now)
        t.runs.start_over(run.no, message.fingerprint, message.program, now)
        t.runs.take_over(run.no, message.driver)
        t.jobs.record([EventRow("run_started", now, run.no)])
        return found(t, run.id), dropped

    async def rejoin(self, message: Rejoin, caller: str | None) -> Json:
        """A driver goes on with a run that it drove before the services were restarted."""
        self._drivers.heard(message.driver, caller)
        run = await self._core.store.read(lambda t: driven(t, message.run, message.epoch))
        self._drivers.drive(run, message.driver)

    async def put(self, message: PutSteps, caller: str | None) -> Json:
        """Journal steps, each once; the values that won."""
        steps = [StepRow(step.path, step.what, step.value) for step in message.steps]
        now = self._core.clock.wall()

        def operation(t: Transaction) -> list[tuple[StepRow, bool]]:
            run = driven(t, message.run, message.epoch)
            _unless_redriven(t, run, steps)
            winners = t.runs.put_steps(run.no, steps)
            t.jobs.record(
                [
                    _done(run.no, now, step)
                    for step, (_, new) in zip(message.steps, winners, strict=True)
                    if new and "#" not in step.path and not step.path.endswith("~")
                ]
            )
            return winners

        winners = await self._core.write(operation)
        self._core.notify()
        return [[step.what, step.value] for step, _ in winners]

    async def submit(self, message: Submit, caller: str | None) -> Json:
        """Queue jobs: a new one runs, an open one stays, an ended one's outcome is pushed."""
        core = self._core
        if core.store.waiting > BACKLOG:
            raise FunctionError("busy", "the store is behind: submit again later")
        live = self._drivers.live_named(message.run)
        noted = live.codes if live is not None else set[str]()
        now = core.clock.wall()  # before early starts

        def operation(t: Transaction) -> tuple[int, _Added, list[Job], list[SettledJob]]:
            run = driven(t, message.run, message.epoch)
            _forsake(t, [job for job in message.jobs if job.at_most_once], now)
            new = t.jobs.add(run.no, message.jobs)
            ids = {job.id for job, _ in new}
            known = [job for job in message.jobs if job.id not in ids]
            # A driver that resumes brings its code as it is now.
            changed = [job for job in known if t.jobs.recode(job)]
            sent = [*(job for job, _ in new), *changed]
            if unnoted := {job.code for job in sent if job.code is not None} - noted:
                t.runs.needs(run.no, unnoted)
            for job, _ in new:
                if job.attempt > 1:  # the run goes on past the attempts before
                    t.jobs.pass_by(run.no, job.path)
            t.jobs.record([_opened(run.no, now, step) for step in message.opened])
            t.jobs.record([EventRow("job_queued", now, job=job.id) for job, _ in new])
            settled = t.jobs.settled([job.id for job in known]) if known else []
            return run.no, new, changed, settled

        writing = asyncio.ensure_future(core.durably(operation))
        early = self._start_early(message)
        try:
            run_no, new, changed, settled = await writing
        except FunctionError as error:
            core.drop(list(early))
            self._refuse(message, error, caller)
            return None
        finally:
            core.unwritten -= early
        noted.update(job.code for job, _ in new if job.code is not None)
        for changed_job in changed:
            core.recode(changed_job)
        fresh = [core.remember(run_no, job, n) for job, n in new if job.id not in early]
        core.apply(core.dispatch.submit(fresh))
        for job in settled:
            core.push(run_no, job.state, [job.id, job.outcome], len(job.outcome or "") + 100)
        return len(new)

    def _start_early(self, message: Submit) -> set[str]:
        """Start jobs that are certainly new while the store still writes them."""
        core = self._core
        live = self._drivers.live_named(message.run)
        if live is None or live.seen is None or live.epoch != message.epoch:
            return set()
        seen = live.seen
        new = [job for job in message.jobs if job.id not in seen]
        seen.update(job.id for job in new)
        early = [job for job in new if not job.at_most_once]
        ids = {job.id for job in early}
        core.unwritten |= ids
        core.apply(core.dispatch.submit([core.remember(live.no, job) for job in early]))
        return ids

    def _refuse(self, message: Submit, error: FunctionError, caller: str | None) -> None:
        # A submit is sent without waiting for an answer, so the driver hears of it by a push.
        for driver in self._core.drivers.values():
            if driver.link == caller:
                item = [message.run, message.epoch, error.code, error.message]
                self._core.to_drivers.add(driver_id(driver.id), "refused", item)

    async def read(self, message: ReadRun, caller: str | None) -> Json:
        """A page of a run's journal and of its jobs' outcomes."""

        def query(t: Transaction) -> Json:
            run = found(t, message.run)
            steps = t.runs.steps(run.no, message.after_step, message.limit_bytes)
            jobs, cursor = t.jobs.of_run(run.no, message.after_job, message.limit_bytes)
            return {
                "steps": [[s.path, s.what, s.value] for s in steps],
                "jobs": [
                    [j.id, j.path, j.attempt, j.task, j.input, j.state, j.outcome] for j in jobs
                ],
                "after_job": cursor,
            }

        return await self._core.store.read(query)

    async def known(self, message: Ids, caller: str | None) -> Json:
        """Which of a run's jobs are unknown here; outcomes of ended ones are pushed again."""
        core = self._core

        def query(t: Transaction) -> tuple[int, set[str], list[SettledJob]]:
            run = found(t, message.run)
            if run.epoch != message.epoch:  # its outcomes are told to another driver
                raise superseded(run.id)
            return run.no, t.jobs.known(message.ids), t.jobs.settled(message.ids)

        run_no, known, settled = await core.store.read(query)
        for job in settled:
            core.push(run_no, job.state, [job.id, job.outcome], len(job.outcome or "") + 100)
        return [job_id for job_id in message.ids if job_id not in known]

    async def cancel_jobs(self, message: Ids, caller: str | None) -> Json:
        """Cancel some jobs of a run, for a fan-out that has failed."""

        def operation(t: Transaction) -> list[str]:
            driven(t, message.run, message.epoch)
            return _cancel(t, message.ids, self._core.clock.wall())

        self._drop(await self._core.write(operation))

    def _drop(self, cancelled: Sequence[str]) -> None:
        core = self._core
        core.notify()
        core.apply(core.dispatch.cancel(cancelled))
        for one in cancelled:
            core.forget(one)

    async def end(self, message: EndRun, caller: str | None) -> Json:
        """A run has ended: its exit, once; the one that won."""
        core, now = self._core, self._core.clock.wall()

        def operation(t: Transaction) -> tuple[RunRow, list[str]]:
            run = driven(t, message.run, message.epoch)
            status: RunStatus = "done" if message.ok else "failed"
            if t.runs.settle(run.no, status, message.exit, message.failed_at, now):
                ms = round((now - run.started_at) * 1000, 3)
                fields = {"ms": ms, "error": message.error}
                t.jobs.record([EventRow("run_ended", now, run.no, fields=fields)])
            left = _cancel(t, t.jobs.open_of_run(run.no), now)
            return found(t, message.run), left

        run, left = await core.write(operation)
        self._drop(left)
        self._drivers.tell_end(run)
        return {"status": run.status, "exit": run.exit}

    async def release(self, message: RunEpoch, caller: str | None) -> Json:
        """A driver stops driving a run that has not ended; it can be resumed."""

        def operation(t: Transaction) -> int:
            run = found(t, message.run)
            t.runs.release(run.no, message.epoch)
            return run.no

        self._drivers.leave(await self._core.write(operation), message.epoch)

    async def cancel(self, message: RunName, caller: str | None) -> Json:
        """Cancel a run: queued jobs are dropped, running ones asked to stop."""
        core, now = self._core, self._core.clock.wall()

        def operation(t: Transaction) -> tuple[RunRow, bool, list[str]]:
            run = found(t, message.run)
            first = t.runs.settle(run.no, "cancelled", None, None, now)
            if first:
                t.jobs.record([EventRow("run_ended", now, run.no, fields={"error": "cancelled"})])
            left = _cancel(t, t.jobs.open_of_run(run.no), now) if first else []
            return found(t, message.run), first, left

        live = self._drivers.live_named(message.run)
        if live is not None:
            live.seen = None  # what is submitted from here on is refused: it must not start early
        run, first, left = await core.write(operation)
        running = sum(1 for job_id in left if self._runs_now(job_id))
        self._drop(left)
        self._drivers.tell_end(run)
        return {"status": run.status, "cancelled": first, "dropped": len(left), "running": running}

    def _runs_now(self, job_id: str) -> bool:
        job = self._core.dispatch.jobs.get(job_id)
        return job is not None and bool(job.starts)


def found(t: Transaction, run: str) -> RunRow:
    """A run by its id.

    Raises:
        FunctionError: `unknown_run`.
    """
    row = t.runs.find(run)
    if row is None:
        raise FunctionError("unknown_run", f"no run {run}: `agentfx runs` lists them")
    return row


def driven(t: Transaction, run: str, epoch: int) -> RunRow:
    """A running run, for a write of the driver of this epoch.

    Raises:
        FunctionError: `superseded`: another driver went on with it; `run_ended`.
    """
    row = found(t, run)
    if row.epoch != epoch:
        raise superseded(run)
    if row.status != "running":
        raise FunctionError("run_ended", f"run {run} is {row.status}")
    return row


def superseded(run: str) -> FunctionError:
    """What a driver of an earlier epoch is told."""
    return FunctionError("superseded", f"another driver goes on with run {run}")


def _forsake(t: Transaction, actions: Sequence[Job], at: float) -> None:
    """End actions that were cancelled while they ran: what is cancelled may start again."""
    for job in actions:
        lost = Ended(job.id, job.task, "lost", CANCELLED)
        if t.jobs.forsake(job.id, dead_outcome(lost)):
            error = f"{lost.reason}: {lost.message}"
            t.jobs.record([EventRow("job_dead", at, job=job.id, fields={"error": error})])


def _cancel(t: Transaction, ids: Sequence[str], at: float) -> list[str]:
    cancelled = [job_id for job_id in ids if t.jobs.settle(job_id, "cancelled", None)]
    t.jobs.record([EventRow("job_cancelled", at, job=job_id) for job_id in cancelled])
    return cancelled


def _unless_redriven(t: Transaction, run: RunRow, steps: Sequence[StepRow]) -> None:
    """Refuse that a run goes on past a dead job that somebody has redriven meanwhile."""
    for step in steps:
        path, _, attempt = step.path.partition("#")
        if attempt.isdigit():
            job = job_id(identity_of(run.id, run.life), path, int(attempt))
            if t.jobs.state_of(job) == "open":
                raise FunctionError("redriven", f"step {path} is run again: wait for its outcome")


def _done(run_no: int, at: float, step: Step) -> EventRow:
    fields: dict[str, Json] = {"path": step.path, "label": step.what}
    if step.error is not None:
        fields["error"] = step.error
    return EventRow("step_done", at, run_no, fields=fields)


def _opened(run_no: int, at: float, step: Opened) -> EventRow:
    fields = {name: value for name, value in asdict(step).items() if value is not None}
    return EventRow("step_started", at, run_no, fields=fields)
