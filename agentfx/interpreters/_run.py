"""A run: one program, driven to its end on a backend, however often drivers die."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from agentfx._clock import Clock
from agentfx._errors import AgentfxError
from agentfx.algebra import AnyEffect, Exit, Ok, fingerprint
from agentfx.interpreters._admission import admit
from agentfx.interpreters._backend import (
    Backend,
    BackendError,
    BackendLostError,
    JobState,
    OpenedRun,
    RunEnd,
    RunEndedError,
    RunRequest,
    RunState,
    SupersededError,
)
from agentfx.interpreters._dist import DistLeaves
from agentfx.interpreters._execute import running_task
from agentfx.interpreters._journal import Journal, decode_exit, encode_exit
from agentfx.interpreters._walk import AnyExit

if TYPE_CHECKING:
    from agentfx.jobs._event import Event

A = TypeVar("A", covariant=True)
E = TypeVar("E", covariant=True)
EVENT_WAIT_SECONDS = 5.0


class RunCancelledError(AgentfxError):
    """Somebody cancelled the run."""


class RunInsideTaskError(AgentfxError):
    """A task tried to start a run."""


class Run(Generic[A, E]):
    """A run of a program.

    Attributes:
        id: The run id, by which it can be resumed.
    """

    def __init__(self, run_id: str, backend: Backend, task: "asyncio.Task[AnyExit]") -> None:
        self.id = run_id
        self._backend, self._task = backend, task

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    @classmethod
    async def start(cls, driver: "RunDriver", backend: Backend) -> "Run[Any, Any]":
        """Drive a run beside the caller, on its loop; returns once it is on record."""
        task = asyncio.get_running_loop().create_task(driver.run())
        begun = asyncio.ensure_future(driver.begun.wait())
        await asyncio.wait((task, begun), return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if task.done():
            task.result()  # it failed before it began: raise that here
        return Run(driver.run_id, backend, task)

    async def result(self) -> Exit[A, E]:
        """Wait for its end.

        Raises:
            RunCancelledError: Somebody cancelled it.
        """
        return await asyncio.shield(self._task)

    async def status(self) -> RunState:
        """How it stands: `running`, `waiting` for a worker, `done`, `failed` or `cancelled`."""
        return await self._backend.run_state(self.id) or "running"

    async def cancel(self) -> int:
        """Cancel it; how many of its jobs still run, having been asked to stop."""
        return await self._backend.cancel_run(self.id)

    async def events(self, after: int = 0) -> "AsyncIterator[Event]":
        """What happens in it, from the event after a number, to its end."""
        async for event in run_events(self._backend, self.id, after):
            yield event


async def run_events(backend: Backend, run_id: str, after: int = 0) -> "AsyncIterator[Event]":
    """What happened and happens in a run, to its end."""
    from agentfx.jobs._event import Event

    while True:
        rows = await backend.events(run_id, after, EVENT_WAIT_SECONDS)
        for row in rows:
            event = Event.model_validate(row)
            after = event.seq
            yield event
            if event.type == "run_ended" and event.run == run_id:
                state = await backend.run_state(run_id)
                if state not in ("running", "waiting"):  # else it was reopened
                    return


class RunDriver:
    """Drives one run; a `Listener` of its backend.

    Args:
        backend: Where it runs.
        run_id: Known or new.
        program: What to run.
        env: Its capabilities.
        name: `module:attribute` of the program, if it has one.
        clock: The time.
        fresh: Start a known run over.
    """

    def __init__(
        self,
        backend: Backend,
        run_id: str,
        program: AnyEffect,
        env: Any,
        name: str | None,
        clock: Clock,
        *,
        fresh: bool = False,
    ) -> None:
        admit(program, env, run_id)
        if running_task.get() is not None:
            raise RunInsideTaskError(
                f"task {running_task.get()} starts a run, which would wait for a slot that it "
                "holds itself: compose the programs instead"
            )
        self.run_id = run_id
        self._backend, self._program, self._env = backend, program, env
        self._name, self._clock, self._fresh = name, clock, fresh
        self.begun = asyncio.Event()
        self._leaves: DistLeaves | None = None
        self._attached = False
        self._interrupt: asyncio.Future[AnyExit | None] | None = None

    async def run(self) -> AnyExit:
        """Drive the run, or wait for whoever does, until it has ended."""
        while True:
            self._interrupt = asyncio.get_running_loop().create_future()
            request = RunRequest(self.run_id, fingerprint(self._program), self._name, self._fresh)
            opened = await self._backend.open_run(request, self)
            self.begun.set()
            self._fresh = False  # only the first time: from here on the run is this one
            exit_ = await self._go_on(opened)
            if exit_ is not None:
                return exit_

    async def _go_on(self, opened: OpenedRun) -> AnyExit | None:
        """The exit, None to open the run once more."""
        match opened.how:
            case "ended":
                return await self._recorded(opened, opened.state, opened.exit)
            case "attached":
                going_on = self._wait()
            case "new" | "resumed":
                going_on = self._drive(opened)
        try:
            return await going_on
        except SupersededError:
            return None  # the next time it attaches
        except RunEndedError:
            return None  # the next time it reads how

    async def _wait(self) -> AnyExit | None:
        self._attached = True
        try:
            return await self._interrupted()
        finally:
            self._attached = False

    async def _drive(self, opened: OpenedRun) -> AnyExit:
        journal = Journal(self._backend, self.run_id, opened.epoch)
        if opened.how == "resumed":
            await journal.load()
        try:
            exit_ = await self._walk(journal, opened)
        except (SupersededError, RunEndedError, BackendLostError):
            raise
        except BaseException:
            with suppress(BackendError):
                await self._backend.release_run(self.run_id, opened.epoch)
            raise
        if isinstance(exit_, Ok):
            end = RunEnd(True, encode_exit(exit_))
        else:
            end = RunEnd(False, encode_exit(exit_), exit_.at, repr(exit_.error))
        state, text = await self._backend.end_run(self.run_id, opened.epoch, end)
        if text == end.exit:
            return exit_
        return await self._recorded(opened, state, text)

    async def _walk(self, journal: Journal, opened: OpenedRun) -> AnyExit:
        leaves = self._make_leaves(journal, opened)
        self._leaves = leaves
        walking = asyncio.ensure_future(leaves.run(self._program, self._env))
        interrupted = asyncio.ensure_future(self._interrupted())
        try:
            await asyncio.wait((walking, interrupted), return_when=asyncio.FIRST_COMPLETED)
            if walking.done():
                return await walking
            await interrupted
            raise RunEndedError(self.run_id)
        finally:
            self._leaves = None
            for task in (walking, interrupted):
                task.cancel()
            await asyncio.wait((walking, interrupted))

    async def _interrupted(self) -> AnyExit | None:
        assert self._interrupt is not None  # noqa: S101 - made before the run is opened
        return await asyncio.shield(self._interrupt)

    async def _recorded(self, opened: OpenedRun, state: RunState, text: str | None) -> AnyExit:
        """The exit of a run that has ended."""
        if state == "cancelled" or text is None:
            raise RunCancelledError(f"run {self.run_id} was cancelled")
        exit_ = decode_exit(text)
        if exit_ is not None:
            return exit_
        journal = Journal(self._backend, self.run_id, 0)
        await journal.load()
        return await self._make_leaves(journal, opened).run(self._program, self._env)

    def _make_leaves(self, journal: Journal, opened: OpenedRun) -> DistLeaves:
        return DistLeaves(self._backend, self.run_id, opened, journal, self._clock, self.refused)

    # What the backend tells

    def settled(self, job: str, state: JobState, outcome: str | None) -> None:
        """See `Listener.settled`."""
        if self._leaves is not None:
            self._leaves.pending.settled(job, state, outcome)

    def reconnected(self) -> None:
        """See `Listener.reconnected`."""
        if self._leaves is not None:
            self._leaves.pending.reconnected()
        elif self._attached:
            self._wake()  # services that start again do not know who is attached

    def run_ended(self, state: RunState, exit_: str | None) -> None:
        """See `Listener.run_ended`."""
        self._wake()

    def released(self) -> None:
        """See `Listener.released`."""
        self._wake()

    def refused(self, error: BackendError) -> None:
        """See `Listener.refused`."""
        if self._interrupt is not None and not self._interrupt.done():
            self._interrupt.set_exception(error)
            self._interrupt.exception()  # nobody waits for it when the run has just ended

    def _wake(self) -> None:
        if self._interrupt is not None and not self._interrupt.done():
            self._interrupt.set_result(None)
