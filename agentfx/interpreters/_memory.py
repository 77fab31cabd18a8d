"""`run_memory`: the whole program in this process."""

import asyncio
from secrets import token_hex
from typing import Any, overload

from typing_extensions import TypeVar

from agentfx._clock import Clock, SystemClock
from agentfx.algebra import (
    AnyEffect,
    Attempt,
    ContractViolation,
    Effect,
    Err,
    Exit,
    ForEach,
    LocalOnly,
    MemoryEnv,
    Ok,
    TaskCall,
    TaskContext,
    TaskError,
    TimedOut,
    Use,
    decode_outcome,
)
from agentfx.interpreters._admission import admit
from agentfx.interpreters._execute import execute
from agentfx.interpreters._fan_out import FanOut
from agentfx.interpreters._observe import Events, Observer, failure_line
from agentfx.interpreters._process import end_idle
from agentfx.interpreters._scope import Scope, Step, StepCount
from agentfx.interpreters._stubs import Stubs, run_stub
from agentfx.interpreters._sync import Where, run_nested, run_sync
from agentfx.interpreters._tape import MemoryTape
from agentfx.interpreters._values import decode_step, encode_step, idempotency_key, keyed
from agentfx.interpreters._walk import AnyExit, Call, Child, Item, Remote, table_of, walk
from agentfx.interpreters._window import run_window
from agentfx.jobs import call_key, job_id, new_run_id

A = TypeVar("A")
E = TypeVar("E")
R = TypeVar("R")


@overload
async def run_memory(
    program: Effect[A, E, LocalOnly],
    *,
    observe: Observer | None = None,
    stubs: Stubs | None = None,
) -> Exit[A, E]: ...
@overload
async def run_memory(
    program: Effect[A, E, R],
    env: MemoryEnv[R],
    *,
    observe: Observer | None = None,
    stubs: Stubs | None = None,
) -> Exit[A, E]: ...
async def run_memory(
    program: Effect[A, E, Any],
    env: Any = None,
    *,
    observe: Observer | None = None,
    stubs: Stubs | None = None,
) -> Exit[A, E]:
    """Run a program in this process, without an engine.

    Every input and output takes the same way through JSON as on the wire, so a program cannot
    pass here and fail under `run_dist`.

    Args:
        program: What to run.
        env: The capabilities that it needs, such as `LLM.of(impl) | DB.of(db)`.
        observe: Called with every event, on this loop.
        stubs: Stand-ins for functions of other workers, by id; held to their contracts.

    Returns:
        `Ok(value)` or `Err(failure)`. Exceptions that nobody declared are raised unchanged.
    """
    admit(program, env)
    clock = SystemClock()
    run_id = new_run_id(clock.wall(), token_hex(3))
    leaves = _Memory(run_id, clock, Events(run_id, clock, observe), stubs or {})
    try:
        return await leaves.run(program, env)
    finally:
        await end_idle()


class _Memory:
    """Gives the leaves of a program their meaning in this process."""

    def __init__(self, run_id: str, clock: Clock, events: Events, stubs: Stubs) -> None:
        self.run_id, self.clock, self._events, self._stubs = run_id, clock, events, stubs
        self.tape = MemoryTape(run_id, events)

    async def run(self, program: AnyEffect, env: Any) -> AnyExit:
        begun = self.clock.monotonic()
        self._events.emit("run_started")
        exit_ = await walk(program, self, Scope(StepCount()), table_of(env))
        error = repr(exit_.error) if isinstance(exit_, Err) else None
        self._events.emit("run_ended", ms=self._ms(begun), error=error)
        return exit_

    async def call(self, step: Step, call: Call) -> AnyExit:
        """See `Leaves.call`."""
        task = call.task
        try:
            text = task.contract.encode_input(call.args, call.kwargs)
        except (ContractViolation, TaskError) as error:
            return Err(error, step.path)
        context = TaskContext(
            idempotency_key=idempotency_key(task, text, self.run_id, step.path),
            attempt=step.attempt,
            delivery=1,
            worker="memory",
            run_id=self.run_id,
        )
        about = self._about(step, task.id)
        self._events.emit("job_queued", **about)
        self._events.emit("job_started", **about, delivery=1, worker="memory")
        begun = self.clock.monotonic()
        outcome = await execute(task, text, context)
        exit_ = decode_outcome(outcome, task.contract, task.options.raises)
        ended = {"delivery": 1, "worker": "memory", "ms": self._ms(begun)}
        if isinstance(exit_, Ok):
            self._events.emit("job_done", **about, **ended)
            return exit_
        self._events.emit("job_failed", **about, **ended, error=repr(exit_.error))
        return Err(exit_.error, step.path)

    async def direct(self, step: Step, call: TaskCall[Any, Any, Any]) -> AnyExit:
        """See `Leaves.direct`."""
        return await self.call(step, call)

    async def remote(self, step: Step, call: Remote) -> AnyExit:
        """See `Leaves.remote`."""
        begun = self.clock.monotonic()
        exit_ = await run_stub(self._stubs, call)
        self._computed(step, call.function.id, begun, exit_)
        return exit_ if isinstance(exit_, Ok) else Err(exit_.error, step.path)

    async def compute(
        self, step: Step, node: Use[Any, Any, Any] | Attempt[Any, Any, Any], work: Child
    ) -> AnyExit:
        """See `Leaves.compute`."""
        begun = self.clock.monotonic()
        exit_ = await keyed(call_key(self.run_id, step.path), work)
        if isinstance(exit_, Ok):
            exit_ = Ok(decode_step(step, node, encode_step(step, node, exit_.value)))
        self._computed(step, repr(node), begun, exit_)
        return exit_

    def _computed(self, step: Step, name: str, begun: float, exit_: AnyExit) -> None:
        self._events.emit(
            "step_done", path=step.path, label=step.label or name, ms=self._ms(begun),
            error=failure_line(exit_),
        )  # fmt: skip

    async def wait(self, step: Step, seconds: float) -> None:
        """See `Leaves.wait`."""
        await self.clock.sleep(seconds)

    async def limit(self, step: Step, seconds: float, child: Child) -> AnyExit:
        """See `Leaves.limit`."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await child()
        except TimeoutError:
            if not limit.expired():
                raise
            return Err(TimedOut(seconds=seconds), step.path)

    async def fan_out(self, step: Step, node: ForEach[Any, Any, Any], item: Item) -> AnyExit:
        """See `Leaves.fan_out`."""
        self._events.emit(
            "step_started",
            path=step.path,
            label=step.label,
            count=len(node.items),
            task=getattr(node.f, "id", None),
        )
        exit_ = await run_window(FanOut(len(node.items), node.concurrency), item)
        if isinstance(exit_, Err):
            error = failure_line(exit_)
            self._events.emit("step_done", path=step.path, label=step.label, error=error)
        return exit_

    def opened(self, step: Step) -> None:
        """See `Leaves.opened`."""
        self._events.emit("step_started", path=step.path, label=step.label)

    def _about(self, step: Step, task: str) -> dict[str, Any]:
        return {
            "path": step.path,
            "index": step.index,
            "job": job_id(self.run_id, step.path, step.attempt),
            "task": task,
            "attempt": step.attempt,
            "label": step.label,
        }

    def _ms(self, begun: float) -> float:
        return round((self.clock.monotonic() - begun) * 1000, 3)


@overload
def run_memory_sync(
    program: Effect[A, E, LocalOnly],
    *,
    loop: Where = "own",
    observe: Observer | None = None,
) -> Exit[A, E]: ...
@overload
def run_memory_sync(
    program: Effect[A, E, R],
    env: MemoryEnv[R],
    *,
    loop: Where = "own",
    observe: Observer | None = None,
) -> Exit[A, E]: ...
def run_memory_sync(
    program: Effect[A, E, Any],
    env: Any = None,
    *,
    loop: Where = "own",
    observe: Observer | None = None,
) -> Exit[A, E]:
    """`run_memory` for scripts, and for cells without `await`.

    Args:
        program: What to run.
        env: The capabilities that it needs.
        loop: `own` runs it on a loop of its own, in another thread where a loop runs already;
            `kernel` inside the loop that runs, for capabilities that are bound to it.
        observe: Called with every event, on that loop.

    Raises:
        NestedLoopError: `kernel` is asked for, and nest-asyncio2 is not there.
    """
    run = run_nested if loop == "kernel" else run_sync
    return run(lambda: run_memory(program, env, observe=observe))
