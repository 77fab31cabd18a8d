"""Functions of other workers under dist: direct calls with a deadline, and durable jobs."""

import json
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any

from agentfx.algebra import (
    ContractViolation,
    Err,
    Ok,
    Published,
    RemoteCall,
    RemoteContract,
    RemoteFunction,
    RemoteJob,
    TaskError,
    decode_remote,
    decode_value,
    encode_err,
    encode_value,
)
from agentfx.interpreters._backend import Backend
from agentfx.interpreters._certainty import Begins, about_to_begin
from agentfx.interpreters._journal import Journal
from agentfx.interpreters._observe import failure_line
from agentfx.interpreters._scope import Step
from agentfx.interpreters._walk import AnyExit, Remote
from agentfx.jobs import FOREIGN, Job, call_key, job_id


class Remotes:
    """Runs the remote calls of one run.

    Args:
        backend: Where the functions are.
        journal: What is on record.
        run: The run, and its identity in this life.
        outcome: Runs a job to its outcome; None if it was cancelled.
    """

    def __init__(
        self,
        backend: Backend,
        journal: Journal,
        run: tuple[str, str],
        outcome: Callable[[Job], Awaitable[str | None]],
    ) -> None:
        self._backend, self._journal, self._outcome = backend, journal, outcome
        self._run, self._identity = run
        self._published: dict[str, Published] = {}

    async def run(self, step: Step, call: Remote) -> AnyExit:
        """See `Leaves.remote`."""
        # Without what the worker publishes the text is the same: a replay needs no worker.
        try:
            text = call.function.known_by(Published()).encode_input(call.args, call.kwargs)
            if isinstance(call, RemoteJob):
                exit_ = await self._job(step, call, text)
            else:
                exit_ = await self._call(step, call, text)
        except (ContractViolation, TaskError) as error:
            return Err(error, step.path)
        return exit_ if isinstance(exit_, Ok) else Err(exit_.error, step.path)

    async def _call(self, step: Step, call: RemoteCall[Any, Any, Any], text: str) -> AnyExit:
        function = call.function
        what = f"remote {function.id} {blake2b(text.encode(), digest_size=8).hexdigest()}"
        recorded = self._journal.value(step.path, what)
        if recorded is None:
            await about_to_begin(Begins.ANYTHING)
            contract = await self._contract(function)
            contract.encode_input(call.args, call.kwargs)
            answer = await self._backend.call_remote(function.id, text, function.timeout_seconds)
            wire = json.loads(answer)
            exit_ = decode_remote(wire, function.id, contract)
            value = "+" + wire["ok"] if isinstance(exit_, Ok) else "-" + encode_value(exit_.error)
            recorded = await self._journal.put(step.path, what, value, failure_line(exit_))
        if recorded.startswith("-"):
            return Err(decode_value(recorded[1:]))
        return decode_remote({"ok": recorded[1:]}, function.id, function.known_by(Published()))

    async def _job(self, step: Step, call: RemoteJob[Any, Any, Any], text: str) -> AnyExit:
        function = call.function
        job = Job(
            id=job_id(self._identity, step.path, step.attempt),
            run=self._run,
            path=step.path,
            attempt=step.attempt,
            task=function.id,
            input=text,
            key=call_key(self._identity, step.path),
            index=step.index,
            label=step.label,
            timeout_seconds=function.timeout_seconds,
            code=FOREIGN,
        )
        verdict = f"{job.path}#{job.attempt}!"
        refused = self._journal.value(verdict, job.task)
        if refused is not None:
            return Err(decode_value(refused))
        if self._journal.settled(job) is None:
            (await self._contract(function)).encode_input(call.args, call.kwargs)
        outcome = await self._outcome(job)
        wire = json.loads(outcome) if outcome is not None else cancelled(job.task)
        contract = await self._contract(function)
        exit_ = decode_remote(wire, function.id, contract)
        if "ok" in wire and isinstance(exit_, Err) and function.contract is None:
            # What the worker publishes may be another thing at a replay.
            await self._journal.put(verdict, job.task, encode_value(exit_.error))
        return exit_

    async def _contract(self, function: RemoteFunction) -> RemoteContract:
        if function.contract is not None:
            return function.contract
        if function.id not in self._published:
            found = await self._backend.published(function.id)
            if found is None:
                return function.known_by(Published())
            self._published[function.id] = found
        return function.known_by(self._published[function.id])


def cancelled(task: str) -> dict[str, Any]:
    """The outcome of a job that was cancelled with its run."""
    error = TaskError(task=task, reason="cancelled", message="its run was cancelled")
    return encode_err(task, error)
