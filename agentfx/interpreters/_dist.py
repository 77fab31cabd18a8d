"""`run_dist`: tasks as durable jobs on a backend, driver steps in a journal.

The walk happens in the driver. What it has done is on record before anything depends on it, so
another driver can walk the same program again: recorded steps return at once, and the run goes
on where it was.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from agentfx._clock import Clock
from agentfx.algebra import (
    AnyEffect,
    Attempt,
    ContractViolation,
    Err,
    ForEach,
    Ok,
    TaskCall,
    TaskError,
    TimedOut,
    Use,
    decode_outcome,
    decode_value,
    encode_value,
)
from agentfx.interpreters._backend import (
    Backend,
    BackendError,
    OpenedRun,
    OpenedStep,
    RedrivenError,
)
from agentfx.interpreters._certainty import Begins, about_to_begin, allowed
from agentfx.interpreters._fan_out import FanOut
from agentfx.interpreters._journal import (
    Journal,
    decode_computed,
    described,
    encode_computed,
)
from agentfx.interpreters._journal_tape import JournalTape
from agentfx.interpreters._observe import failure_line
from agentfx.interpreters._pending import PendingJobs
from agentfx.interpreters._remote import Remotes, cancelled
from agentfx.interpreters._scope import Scope, Step, StepCount
from agentfx.interpreters._values import idempotency_key, keyed
from agentfx.interpreters._walk import AnyExit, Call, Child, Item, Remote, table_of, walk
from agentfx.interpreters._window import run_window
from agentfx.jobs import FOREIGN, Job, call_key, identity_of, job_id


class DistLeaves:
    """Gives the leaves of a program their meaning on a backend.

    Args:
        backend: Where jobs run and the journal lies.
        run_id: The run.
        opened: Its epoch and life.
        journal: What is on record.
        clock: The time.
        stop: Called with an error that the run cannot go on from.
    """

    def __init__(
        self,
        backend: Backend,
        run_id: str,
        opened: OpenedRun,
        journal: Journal,
        clock: Clock,
        stop: Callable[[BackendError], None],
    ) -> None:
        self.run_id = run_id
        self.identity = identity_of(run_id, opened.life)
        self._backend, self._journal, self.clock, self._stop = backend, journal, clock, stop
        self.pending = PendingJobs(backend, run_id, opened.epoch, clock, stop)
        self.tape = JournalTape(backend, journal, self.identity, opened.epoch)
        self._remotes = Remotes(backend, journal, (run_id, self.identity), self._outcome)
        self._unchecked: set[tuple[bool, str]] = set()
        self._checked: set[tuple[bool, str]] = set()
        self._check_wanted = asyncio.Event()

    async def run(self, program: AnyEffect, env: Any) -> AnyExit:
        """Walk a program; beside it, look after jobs and workers."""
        # No task group: it would wrap what the program raises, which has to pass unchanged.
        beside = [
            asyncio.ensure_future(self.pending.repair()),
            asyncio.ensure_future(self._check_tasks()),
        ]
        try:
            return await walk(program, self, Scope(StepCount()), table_of(env))
        finally:
            self.pending.flush()
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)

    async def call(self, step: Step, call: Call) -> AnyExit:
        """See `Leaves.call`."""
        task = call.task
        try:
            text = task.contract.encode_input(call.args, call.kwargs)
        except (ContractViolation, TaskError) as error:
            return Err(error, step.path)
        job = Job(
            id=job_id(self.identity, step.path, step.attempt),
            run=self.run_id,
            path=step.path,
            attempt=step.attempt,
            task=task.id,
            input=text,
            key=idempotency_key(task, text, self.identity, step.path),
            index=step.index,
            label=step.label,
            at_most_once=task.at_most_once,
            timeout_seconds=task.options.timeout_seconds,
            code=self._backend.code,
        )
        outcome = await self._outcome(job)
        wire = json.loads(outcome) if outcome is not None else cancelled(task.id)
        exit_ = decode_outcome(wire, task.contract, task.options.raises)
        return exit_ if isinstance(exit_, Ok) else Err(exit_.error, step.path)

    async def _outcome(self, job: Job) -> str | None:
        """JSON text of how a job ended, None if it was cancelled."""
        attempt = f"{job.path}#{job.attempt}"
        passed = self._journal.value(attempt, job.task)
        if passed is not None:
            return passed
        recorded = self._journal.settled(job)
        if recorded is not None and recorded.state == "done":
            return recorded.outcome
        if recorded is not None:
            state, outcome = recorded.state, recorded.outcome
        else:
            if allowed() is Begins.NOTHING:
                self.pending.drop(job.id)
            await about_to_begin(Begins.IDENTIFIED)
            self._want_check(job)
            state, outcome = await self.pending.run(job)
        while state == "dead" and outcome is not None:
            # A dead letter is a parked job: that the run goes on past it is the driver's entry.
            try:
                return await self._journal.put(attempt, job.task, outcome)
            except RedrivenError:
                state, outcome = await self.pending.run(job)
        return outcome

    def _want_check(self, job: Job) -> None:
        wanted = (job.code == FOREIGN, job.task)
        if wanted not in self._checked:
            self._checked.add(wanted)
            self._unchecked.add(wanted)
            self._check_wanted.set()

    async def _check_tasks(self) -> None:
        """Ask, beside the walk, whether there is a worker for each task when it is first used."""
        while True:
            await self._check_wanted.wait()
            self._check_wanted.clear()
            wanted, self._unchecked = sorted(self._unchecked), set()
            try:
                if tasks := [task for foreign, task in wanted if not foreign]:
                    await self._backend.check_tasks(tasks)
                if functions := [task for foreign, task in wanted if foreign]:
                    await self._backend.check_functions(functions)
            except BackendError as error:
                self._stop(error)

    async def direct(self, step: Step, call: TaskCall[Any, Any, Any]) -> AnyExit:
        """See `Leaves.direct`."""
        task = call.task
        try:
            text = task.contract.encode_input(call.args, call.kwargs)
        except (ContractViolation, TaskError) as error:
            return Err(error, step.path)

        async def work() -> AnyExit:
            wire = json.loads(await self._backend.call(task.id, text))
            return decode_outcome(wire, task.contract, task.options.raises)

        node: Attempt[Any, Any, Any] = Attempt(work, task.options.raises, task.contract.returned)
        return await self.compute(step, node, work)

    async def remote(self, step: Step, call: Remote) -> AnyExit:
        """See `Leaves.remote`."""
        return await self._remotes.run(step, call)

    async def compute(
        self, step: Step, node: Use[Any, Any, Any] | Attempt[Any, Any, Any], work: Child
    ) -> AnyExit:
        """See `Leaves.compute`."""
        what = described(node)
        text = self._journal.value(step.path, what)
        if text is None:
            await about_to_begin(Begins.ANYTHING)
            exit_ = await keyed(call_key(self.identity, step.path), work)
            value, error = encode_computed(step, node, exit_), failure_line(exit_)
            text = await self._journal.put(step.path, what, value, error)
        return decode_computed(step, node, text)

    async def wait(self, step: Step, seconds: float) -> None:
        """See `Leaves.wait`."""
        if not seconds:
            return
        due = await self._due(f"{step.path}#{step.attempt}~", seconds)
        left = min(max(due - self.clock.wall(), 0.0), seconds)
        if left:
            await about_to_begin(Begins.IDENTIFIED)
        await self.clock.sleep(left)

    async def _due(self, path: str, seconds: float) -> float:
        text = self._journal.value(path, "due")
        if text is None:
            text = await self._journal.put(path, "due", repr(self.clock.wall() + seconds))
        return float(text)

    async def limit(self, step: Step, seconds: float, child: Child) -> AnyExit:
        """See `Leaves.limit`.

        How it ended is journaled: a replay, in which recorded steps take no time, must not
        decide otherwise.
        """
        late = Err(TimedOut(seconds=seconds), step.path)
        how = self._journal.value(step.path, "timeout")
        if how == "late":
            return late
        if how == "ended":
            return await child()
        due = await self._due(f"{step.path}~", seconds)
        limit = asyncio.timeout(max(due - self.clock.wall(), 0.0))
        try:
            async with limit:
                exit_ = await child()
        except TimeoutError:
            if not limit.expired():
                raise
            exit_ = None
        how = await self._journal.put(step.path, "timeout", "late" if exit_ is None else "ended")
        return late if exit_ is None or how == "late" else exit_

    async def fan_out(self, step: Step, node: ForEach[Any, Any, Any], item: Item) -> AnyExit:
        """See `Leaves.fan_out`."""
        if node.local_only:
            raise TypeError(
                f"{node!r} runs in one process, so run_dist refuses it: use fx.for_each, whose "
                "tasks distribute, or run_memory"
            )
        task = getattr(node.f, "id", None)
        what = f"for_each {f'{task} ' if task else ''}×{len(node.items)}"  # noqa: RUF001
        failed = self._journal.value(step.path, what)
        if failed is not None:
            return _failed(failed)
        self.pending.opened(OpenedStep(step.path, step.label, task, len(node.items)))
        exit_ = await run_window(FanOut(len(node.items), node.concurrency), item)
        if isinstance(exit_, Ok):
            return exit_
        # Which item failed is on record before anybody acts on it.
        line, text = failure_line(exit_), _failure_text(exit_)
        return _failed(await self._journal.put(step.path, what, text, line))

    def opened(self, step: Step) -> None:
        """See `Leaves.opened`."""
        self.pending.opened(OpenedStep(step.path, step.label))


def _failure_text(exit_: Err[Any]) -> str:
    return json.dumps([exit_.at, encode_value(exit_.error)])


def _failed(text: str) -> Err[Any]:
    at, error = json.loads(text)
    return Err(decode_value(error), at)
