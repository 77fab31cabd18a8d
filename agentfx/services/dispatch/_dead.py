"""Dead letters: parked jobs that can be run again once what killed them is mended."""

from dataclasses import asdict, replace

import orjson

from agentfx.jobs import Job
from agentfx.services._host import FunctionError
from agentfx.services._run_rows import DeadRow, EventRow, RunRow
from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._messages import JobName, Limit, Redrive
from agentfx.services.dispatch._runs import found
from agentfx.wire import Json


class DeadLetters:
    """The desk of the dead letters; what may be redriven is decided in the store."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def list(self, message: Limit, caller: str | None) -> Json:
        """The dead letters of all runs, oldest first."""
        rows = await self._core.store.read(lambda t: t.jobs.dead(message.limit))
        return [_listed(row) for row in rows]

    async def redrive(self, message: Redrive, caller: str | None) -> Json:
        """Run a dead letter again.

        A run that waits for it gets its outcome. A run that ended with exactly this failure is
        reopened, and goes on when it is resumed. A run that went on past it is left alone.
        A job that came with its author's code runs with the code that the author has now.
        """
        core, now = self._core, self._core.clock.wall()

        def operation(t: Transaction) -> tuple[RunRow, Job, int, bool]:
            row = _dead(t, message.job)
            run, job = found(t, row.job.run), row.job
            if not row.redrivable:
                raise FunctionError("run_went_on", _why_not(row))
            if row.ended_its_run:
                t.runs.reopen(run.no)
                t.runs.drop_steps(run.no, _derived(job))
            if message.code is not None and job.code is not None:
                job = replace(job, code=message.code)
                t.runs.needs(run.no, {message.code})
            handed = t.jobs.revive(job.id, job.code)
            t.jobs.record([EventRow("job_redriven", now, job=job.id)])
            return run, job, handed, row.ended_its_run

        run, job, handed, reopened = await core.durably(operation)
        core.apply(core.dispatch.submit([core.remember(run.no, job, handed)]))
        return {"job": job.id, "run": run.id, "reopened": reopened}

    async def discard(self, message: JobName, caller: str | None) -> Json:
        """Take a job out of the dead letters for good; its failure stays on record."""

        def operation(t: Transaction) -> None:
            t.jobs.forget(_dead(t, message.job).job.id)

        await self._core.durably(operation)
        return {"job": message.job}

    async def queues(self, message: Json, caller: str | None) -> Json:
        """Open and dead jobs by task, with those that run now."""
        counts = await self._core.store.read(lambda t: t.jobs.counts())
        running: dict[str, int] = {}
        for job in self._core.dispatch.jobs.values():
            if job.starts:
                running[job.route.task] = running.get(job.route.task, 0) + 1
        rows: dict[str, dict[str, Json]] = {}
        for task, state, count in counts:
            row = rows.setdefault(task, {"task": task, "queued": 0, "running": 0, "dead": 0})
            if state == "open":
                row["running"] = running.get(task, 0)
                row["queued"] = max(count - row["running"], 0)
            else:
                row["dead"] = count
        return sorted(rows.values(), key=lambda row: row["task"])


def _dead(t: Transaction, job_id: str) -> DeadRow:
    row = t.jobs.dead_one(job_id)
    if row is None:
        raise FunctionError("unknown_job", f"no dead letter {job_id}: `agentfx dlq list` has them")
    return row


def _why_not(row: DeadRow) -> str:
    run = row.job.run
    if row.passed:
        return f"run {run} tried again and went on past this attempt"
    if row.run_status == "failed":
        return f"run {run} failed at step {row.failed_at}, and went on past this failure"
    if row.run_status == "running":
        return f"run {run} went on past this failure"
    return f"run {run} is {row.run_status} and went on past this failure"


def _derived(job: Job) -> list[str]:
    """Paths of the steps that recorded this failure: the attempt's, and those around it."""
    parts = job.path.split("/")
    around = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return [f"{job.path}#{job.attempt}", *around]


def _listed(row: DeadRow) -> Json:
    wire = orjson.loads(row.outcome)
    value = orjson.loads(wire["value"])
    job = {name: v for name, v in asdict(row.job).items() if name not in ("key", "code")}
    return {
        **job, "died_at": row.died_at, "reason": value.get("reason"),
        "message": value.get("message"), "redrivable": row.redrivable, "trace": wire.get("trace"),
    }  # fmt: skip
