"""Dead letters: parked jobs that can be run again once what killed them is mended."""

from dataclasses import asdict

import orjson

from agentfx.jobs import Job
from agentfx.services._host import FunctionError
from agentfx.services._run_rows import DeadRow, EventRow, RunRow
from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._messages import JobName, Limit
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

    async def redrive(self, message: JobName, caller: str | None) -> Json:
        """Run a dead letter again.

        A run that waits for it gets its outcome. A run that ended with exactly this failure is
        reopened, and goes on when it is resumed. A run that went on past it is left alone.
        """
        core, now = self._core, self._core.clock.wall()

        def operation(t: Transaction) -> tuple[RunRow, Job, int, bool]:
            job = self._dead(t, message.job)
            run = found(t, job.run)
            reopened = False
            if run.status == "running":
                self._unless_passed(t, run, job)
            elif run.status == "failed" and run.failed_at == job.path:
                t.runs.reopen(run.no)
                t.runs.drop_steps(run.no, _derived(job))
                reopened = True
            else:
                raise FunctionError(
                    "run_went_on", f"run {run.id} is {run.status} and went on past this failure"
                )
            handed = t.jobs.revive(job.id)
            t.jobs.record([EventRow("job_redriven", now, job=job.id)])
            return run, job, handed, reopened

        run, job, handed, reopened = await core.durably(operation)
        core.apply(core.dispatch.submit([core.remember(run.no, job, handed)]))
        return {"job": job.id, "run": run.id, "reopened": reopened}

    def _unless_passed(self, t: Transaction, run: RunRow, job: Job) -> None:
        after = f"{job.path}#{job.attempt}"
        steps = t.runs.steps(run.no, after[:-1], 1)
        if any(step.path == after for step in steps):
            raise FunctionError("run_went_on", f"run {run.id} went on past this failure")

    def _dead(self, t: Transaction, job_id: str) -> Job:
        for row in t.jobs.dead(1_000_000):
            if row.job.id == job_id:
                if row.passed:
                    raise FunctionError(
                        "run_went_on", f"run {row.job.run} tried again and went on past this one"
                    )
                return row.job
        raise FunctionError("unknown_job", f"no dead letter {job_id}: `agentfx dlq list` has them")

    async def discard(self, message: JobName, caller: str | None) -> Json:
        """Take a job out of the dead letters for good; its failure stays on record."""

        def operation(t: Transaction) -> None:
            if not any(row.job.id == message.job for row in t.jobs.dead(1_000_000)):
                raise FunctionError(
                    "unknown_job", f"no dead letter {message.job}: `agentfx dlq list` has them"
                )
            t.jobs.forget(message.job)

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
        "message": value.get("message"), "redrivable": not row.passed, "trace": wire.get("trace"),
    }  # fmt: skip
