"""What workers say: hello, outcomes, output; and how the services look after them."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from itertools import count

from agentfx.jobs import Worker, delivery_of
from agentfx.services._host import FunctionError
from agentfx.services._run_rows import EventRow, RosterRow, Settled
from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import CALL, Core, Owned, exec_id
from agentfx.services.dispatch._forward import Forward
from agentfx.services.dispatch._messages import (
    Brings,
    Hello,
    Outcome,
    Outcomes,
    Output,
    WorkerName,
)
from agentfx.services.dispatch._owner import JobOwner
from agentfx.wire import Json

PING_TIMEOUT_SECONDS = 5.0
OUTPUT_LIMIT = 64 * 1024
"""Characters of output that are kept for a job."""
OUTPUT_CUT = f"\n[output of this job is cut off here: {OUTPUT_LIMIT:,} characters]\n"
OUTPUT_JOBS = 10_000
"""Jobs whose output is counted: a job may still print when it has ended."""
EXIT_POLLS_SECONDS = (0.0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)

ProcessEnded = Callable[[RosterRow], bool | None]
"""Whether a worker's process has ended; None if it cannot be known from here."""


class Workers:
    """The desk of the workers."""

    def __init__(self, core: Core, forward: Forward, process_ended: ProcessEnded) -> None:
        self._core, self._forward, self._process_ended = core, forward, process_ended
        self._links: dict[str, str] = {}  # incarnation by connection
        self._roster: dict[str, RosterRow] = {}
        self._written: dict[str, int] = {}

    async def restore(self, roster: list[RosterRow]) -> None:
        """Find out which workers of before a restart are still there."""
        for row in roster:
            self._roster[row.id] = row
            self._core.labels[row.id] = row.label
            if self._process_ended(row):
                await self._gone(row.id)

    async def hello(self, message: Hello, caller: str | None) -> Json:
        """A worker is there, for the first time or again."""
        core, now = self._core, self._core.clock.monotonic()
        if caller is None:
            raise FunctionError("FORBIDDEN", "a worker says hello over its own connection")
        again = self._links.get(caller) == message.worker
        self._links[caller] = message.worker
        if message.worker not in self._roster and not message.held:
            await self._admit(message.label, caller)
        core.labels[message.worker] = message.label
        core.closed_at.pop(message.worker, None)
        row = RosterRow(message.worker, message.label, message.host, message.pid, message.born)
        new = message.worker not in self._roster
        self._roster[message.worker] = row
        worker = Worker(
            message.worker,
            max(message.slots, 1),
            frozenset(contract.id for contract in message.tasks),
            message.home,
            now,
            draining=message.draining,
            loaded=frozenset(contract.id for contract in message.loaded),
        )
        self._forward.publish(message.worker, [*message.tasks, *message.loaded])
        held = [(one.start, one.job) for one in message.held]
        core.apply(core.dispatch.joined(worker, held, again=again))
        if new:
            event = self._event("worker_joined", row)
            await core.durably(lambda t: _join(t, row, event))
        return {"gen": core.generation}

    async def _admit(self, label: str, link: str) -> None:
        """Let a new worker in.

        Raises:
            FunctionError: `label_taken`; or its link has closed meanwhile, and nobody is there.
        """
        try:
            await self._free(label)
        except FunctionError:
            del self._links[link]
            raise
        if link not in self._links:
            raise FunctionError("invocation_stopped", f"the link of worker {label} closed")

    async def _free(self, label: str) -> None:
        """See that a label is free: by it workers are watched, stopped and killed.

        Raises:
            FunctionError: `label_taken`.
        """
        labels = {row.label for row in self._roster.values()}
        for row in [row for row in self._roster.values() if row.label == label]:
            if self._is_there(row):
                free = next(name for n in count(1) if (name := f"w{n}") not in labels)
                raise FunctionError(
                    "label_taken",
                    f"there is a worker {label} already (process {row.pid} on {row.host}): give "
                    f"another name, such as {free}",
                )
            if self._process_ended(row):
                await self._gone(row.id)  # its successor is quicker than the look at its end

    def _is_there(self, row: RosterRow) -> bool:
        ended = self._process_ended(row)
        if ended is not None:
            return not ended
        worker = self._core.dispatch.workers.get(row.id)
        return worker is not None and worker.link == "up"

    async def brings(self, message: Brings, caller: str | None) -> Json:
        """A worker has loaded a driver's code: its tasks can be called by their ids now."""
        core = self._core
        worker = core.dispatch.workers.get(message.worker)
        if worker is not None:
            worker.loaded |= {contract.id for contract in message.tasks}
            self._forward.publish(message.worker, message.tasks)

    async def outcomes(self, message: Outcomes, caller: str | None) -> Json:
        """Starts have ended: their slots are free at once, the outcomes go on record."""
        core = self._core
        core.dispatch.heard(message.worker, core.clock.monotonic())
        label = core.labels.get(message.worker, message.worker)
        # What is not open here has its end on record, or its own record is lost and its driver
        # sends it again, perhaps just now: its worker keeps the outcome until then.
        opens = [o.job in core.dispatch.jobs or o.job.startswith(CALL) for o in message.outcomes]
        known = [o for o, is_open in zip(message.outcomes, opens, strict=True) if is_open]
        others = [o for o, is_open in zip(message.outcomes, opens, strict=True) if not is_open]
        for outcome in message.outcomes:
            core.apply(core.dispatch.ended(message.worker, outcome.start, outcome.job))
        rows = [_ended_event(outcome, label, core.clock.wall()) for outcome in known]
        owners = [core.owner_of(outcome.job) for outcome in known]

        def operation(t: Transaction) -> tuple[list[bool], set[str], list[Owned]]:
            won = self._settle(t, known, owners, rows)
            late = {job.id for job in t.jobs.settled([o.job for o in others])}
            return (
                won,
                late,
                [
                    (owner, owner.settled(t, outcome.job, outcome.outcome, label))
                    for outcome, owner, first in zip(known, owners, won, strict=True)
                    if owner is not None and first
                ],
            )

        won, late, afters = await core.durably(operation)
        core.tell_owners(afters)
        for outcome, first in zip(known, won, strict=True):
            self._confirm(message.worker, outcome)
            self._tell(outcome, first)
        for outcome in others:
            if outcome.job in late:
                self._confirm(message.worker, outcome)

    def _confirm(self, worker: str, outcome: Outcome) -> None:
        self._core.to_workers.add_late(exec_id(worker), "confirm", outcome.start)

    def _settle(
        self,
        t: Transaction,
        outcomes: list[Outcome],
        owners: list[JobOwner | None],
        rows: list[EventRow],
    ) -> list[bool]:
        won: list[bool] = []
        for outcome, owner, row in zip(outcomes, owners, rows, strict=True):
            # An owner goes on past a failure at once, so there is nothing to redrive.
            state: Settled = "dead" if outcome.dead and owner is None else "done"
            delivery = delivery_of(outcome.start)
            first = t.jobs.settle(outcome.job, state, outcome.outcome, delivery)
            if first:
                t.jobs.record([row])
            else:
                self._core.wait_for_row(t, outcome.job)
            won.append(first)
        return won

    def _tell(self, outcome: Outcome, first: bool) -> None:
        core = self._core
        if outcome.job in core.dispatch.jobs:
            return  # of a start that no longer counts: the job is open once more
        core.ended.get(outcome.job, _nobody)(outcome.outcome, outcome.error is not None)
        run_no = core.forget(outcome.job)
        if first and run_no is not None:
            key = "dead" if outcome.dead else "done"
            core.push(run_no, key, [outcome.job, outcome.outcome], len(outcome.outcome) + 100)

    async def output(self, message: Output, caller: str | None) -> Json:
        """Tasks have printed something."""
        core = self._core
        worker = core.labels.get(message.worker, message.worker)
        rows: list[EventRow] = []
        for line in message.lines:
            text = self._bounded(line.job, line.text)
            if text:
                fields = {"worker": worker, "label": text}
                rows.append(EventRow("output", core.clock.wall(), job=line.job, fields=fields))
        await core.durably(lambda t: t.jobs.record(rows))
        core.printed.give()

    def _bounded(self, job: str, text: str) -> str:
        """As much of a text as is kept of a job's output."""
        written = self._written.pop(job, 0)
        self._written[job] = written + len(text)
        if len(self._written) > OUTPUT_JOBS:
            del self._written[next(iter(self._written))]
        if written >= OUTPUT_LIMIT:
            return ""
        cut = written + len(text) > OUTPUT_LIMIT
        return text[: OUTPUT_LIMIT - written] + (OUTPUT_CUT if cut else "")

    async def bye(self, message: WorkerName, caller: str | None) -> Json:
        """A worker has finished what it ran, and leaves."""
        await self._gone(message.worker, event="worker_left")

    async def drain(self, message: WorkerName, caller: str | None) -> Json:
        """Give a worker nothing new; it is about to leave."""
        for worker_id in self._named(message.worker):
            self._core.dispatch.drain(worker_id)

    async def kill_asked(self, message: WorkerName, caller: str | None) -> Json:
        """A worker is about to be killed on purpose: no job is blamed for it."""
        for worker_id in self._named(message.worker):
            self._core.dispatch.kill_asked(worker_id)

    def _named(self, name: str) -> list[str]:
        return [r.id for r in self._roster.values() if name in (r.id, r.label)]

    async def list(self, message: Json, caller: str | None) -> Json:
        """The workers, and what each runs now."""
        dispatch = self._core.dispatch
        return [
            {
                **asdict(self._roster[w.id]),
                "slots": w.slots,
                "tasks": sorted(w.tasks | w.loaded),
                "state": "silent" if w.silent else "draining" if w.draining else w.link,
                "running": [
                    {"job": job, "start": start, "task": dispatch.jobs[job].route.task}
                    for start, job in w.starts.items()
                    if job in dispatch.jobs
                ],
            }
            for w in dispatch.workers.values()
            if w.id in self._roster
        ]

    # Looking after them

    def link_closed(self, link: str) -> None:
        """A connection closed; if it was a worker's, find out whether its process has ended."""
        worker_id = self._links.pop(link, None)
        if worker_id not in self._roster or worker_id in self._links.values():
            return
        now = self._core.clock.monotonic()
        self._core.closed_at[worker_id] = now
        self._core.apply(self._core.dispatch.left(worker_id, now, certain=False))
        self._core.tasks.spawn(self._watch_exit(worker_id))

    async def _watch_exit(self, worker_id: str) -> None:
        # The kernel closes a dying process's sockets a moment before the process is gone.
        for seconds in EXIT_POLLS_SECONDS:
            await self._core.clock.sleep(seconds)
            row = self._roster.get(worker_id)
            if row is None or worker_id in self._links.values():
                return
            ended = self._process_ended(row)
            if ended is not False:  # ended, or on a machine that we cannot look into
                await self._gone(worker_id)
                return

    async def _gone(self, worker_id: str, event: str = "worker_lost") -> None:
        core = self._core
        row = self._roster.pop(worker_id, None)
        self._forward.withdraw(worker_id)
        core.to_workers.forget(exec_id(worker_id))
        core.apply(core.dispatch.left(worker_id, core.clock.monotonic(), certain=True))
        core.closed_at.pop(worker_id, None)
        core.labels.pop(worker_id, None)
        if row is not None:
            recorded = self._event(event, row)
            await core.durably(lambda t: _leave(t, worker_id, recorded))

    async def tick(self) -> None:
        """Ping everybody, and act on who did not answer."""
        core = self._core
        core.apply(core.dispatch.tick(core.clock.monotonic()))
        for worker_id in self._roster.keys() - core.dispatch.workers.keys():
            await self._gone(worker_id)  # it stayed away too long
        for worker in list(core.dispatch.workers.values()):
            if worker.link == "up":
                core.tasks.spawn(self._ping(worker.id))

    async def _ping(self, worker_id: str) -> None:
        core = self._core
        try:
            async with asyncio.timeout(PING_TIMEOUT_SECONDS):
                answer = await core.host.call(
                    exec_id(worker_id), {"gen": core.generation, "ping": True}
                )
        except (TimeoutError, FunctionError):
            return  # it is silent; the tick counts for how long
        held = [(item[0], item[1]) for item in answer["held"]]
        core.apply(core.dispatch.pong(worker_id, held, core.clock.monotonic()))

    def _event(self, kind: str, row: RosterRow) -> EventRow:
        return EventRow(kind, self._core.clock.wall(), fields={"worker": row.label})


def _nobody(outcome: str, failed: bool) -> None:
    """The listener of a job that nobody but its run waits for."""


def _join(t: Transaction, row: RosterRow, event: EventRow) -> None:
    t.roster.joined(row)
    t.jobs.record([event])


def _leave(t: Transaction, worker_id: str, event: EventRow) -> None:
    t.roster.left(worker_id)
    t.jobs.record([event])


def _ended_event(outcome: Outcome, worker: str, at: float) -> EventRow:
    kind = "job_dead" if outcome.dead else "job_done" if outcome.error is None else "job_failed"
    fields: Json = {
        "worker": worker, "ms": outcome.ms, "delivery": delivery_of(outcome.start),
    }  # fmt: skip
    if outcome.error is not None:
        fields["error"] = outcome.error
    return EventRow(kind, at, job=outcome.job, fields=fields)
