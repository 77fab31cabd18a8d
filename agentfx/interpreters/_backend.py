"""The port that `run_dist` needs: jobs that outlive processes, and a journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from agentfx._errors import AgentfxError
from agentfx.algebra import Published
from agentfx.jobs import Job

JobState: TypeAlias = Literal["done", "dead", "cancelled"]
RunState: TypeAlias = Literal["running", "waiting", "done", "failed", "cancelled"]


class BackendError(AgentfxError):
    """Base of what a backend raises."""


class BackendLostError(BackendError):
    """The engine is gone, and did not come back; what is on record is kept."""


class SupersededError(BackendError):
    """Another driver goes on with the run."""


class RunEndedError(BackendError):
    """The run has ended already, or was cancelled."""


class RedrivenError(BackendError):
    """A dead job was redriven before its driver went on past it: it has to wait for its outcome."""


class OtherProgramError(BackendError):
    """The run id belongs to another program."""


class NoWorkerError(BackendError):
    """No worker has a task of the program."""


@dataclass(frozen=True, slots=True)
class JournalStep:
    """One journaled step.

    Attributes:
        path: Where it stands in the run.
        what: Kind and name: a replay must meet the same here.
        value: Text that the driver understands.
        error: The failure in one line, where it failed: for those who watch.
    """

    path: str
    what: str
    value: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OpenedStep:
    """A step that holds others begins: a fan-out of `count` items, or a named group."""

    path: str
    label: str | None = None
    task: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class SettledJob:
    """A job that is no longer open; `outcome` is JSON text, None for a cancelled one."""

    id: str
    path: str
    attempt: int
    task: str
    input: str
    state: JobState
    outcome: str | None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A driver wants to drive a run.

    Attributes:
        fingerprint: Of the program's structure.
        program: `module:attribute`, None for a program that only runs here.
        fresh: Start a known run over: what it has on record is deleted.
    """

    run: str
    fingerprint: str
    program: str | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """What came of opening a run.

    Attributes:
        how: `new`; `resumed`, go on after what is on record; `attached`, its driver is alive;
            `ended`.
        epoch: Of this driver; writes of a lower one are refused.
        life: How often the run was started over; part of its jobs' identities.
        exit: How it ended, as its driver encoded it.
    """

    how: Literal["new", "resumed", "attached", "ended"]
    epoch: int
    state: RunState
    exit: str | None = None
    life: int = 0


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended.

    Attributes:
        exit: Text that the driver understands.
        failed_at: Path of the step whose failure nobody caught.
        error: That failure in one line.
    """

    ok: bool
    exit: str
    failed_at: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of what a run has on record, and where to go on; no `next` means that was all."""

    steps: list[JournalStep] = field(default_factory=list[JournalStep])
    jobs: list[SettledJob] = field(default_factory=list[SettledJob])
    next: tuple[str, int] | None = None


class Listener(Protocol):
    """A driver, as its backend tells it what happens; called on the driver's loop."""

    def settled(self, job: str, state: JobState, outcome: str | None) -> None:
        """A job is no longer open."""
        ...

    def run_ended(self, state: RunState, exit_: str | None) -> None:
        """The run has ended: elsewhere, or because it was cancelled."""
        ...

    def released(self) -> None:
        """Whoever drove the run stopped; a driver that is attached may go on with it."""
        ...

    def refused(self, error: BackendError) -> None:
        """The run cannot go on here."""
        ...

    def reconnected(self) -> None:
        """The link closed, or is back: what was sent may not have arrived."""
        ...


class Backend(Protocol):
    """Where jobs run and journals lie.

    Calls may be made again after a lost link: all of them are idempotent. Methods that wait
    raise `BackendLostError` when the engine does not come back.
    """

    async def open_run(self, request: RunRequest, listener: Listener) -> OpenedRun:
        """Start a run, go on with it, attach to it, or learn how it ended.

        Raises:
            OtherProgramError: The id belongs to another program.
        """
        ...

    async def read_run(self, run: str, cursor: tuple[str, int] | None) -> RunPage:
        """A page of what a run has on record."""
        ...

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[JournalStep]
    ) -> list[tuple[str, str]]:
        """Journal steps, each once: the (what, value) that won, in order.

        Raises:
            SupersededError: Another driver goes on with the run.
            RunEndedError: It has ended.
            RedrivenError: A step says that a job is dead, and it is run again.
        """
        ...

    def submit(
        self, run: str, epoch: int, jobs: Sequence[Job], opened: Sequence[OpenedStep]
    ) -> None:
        """Queue jobs. A new one runs; the listener hears of one that is settled already."""
        ...

    async def unknown(self, run: str, epoch: int, ids: Sequence[str]) -> list[str]:
        """Those jobs that never arrived; the listener hears again of those that are settled."""
        ...

    def cancel_jobs(self, run: str, epoch: int, ids: Sequence[str]) -> None:
        """Drop jobs that are not needed any more; what runs is asked to stop."""
        ...

    async def end_run(self, run: str, epoch: int, end: RunEnd) -> tuple[RunState, str | None]:
        """End a run, once: the state and exit that won.

        Raises:
            SupersededError: Another driver goes on with the run.
        """
        ...

    async def release_run(self, run: str, epoch: int) -> None:
        """Stop driving a run that has not ended; it can be resumed."""
        ...

    async def cancel_run(self, run: str) -> int:
        """Cancel a run; how many of its jobs still run, having been asked to stop."""
        ...

    async def run_state(self, run: str) -> RunState | None:
        """How a run stands, None if nobody knows it."""
        ...

    async def events(self, run: str, after: int, wait_seconds: float) -> list[dict[str, Any]]:
        """Events of a run after a number, in order; waits for the first if there is none."""
        ...

    async def check_tasks(self, tasks: Sequence[str]) -> None:
        """Make sure that a worker has each of these tasks, or is about to.

        Raises:
            NoWorkerError: No worker does; the message says which there are and what they have.
        """
        ...

    async def call(self, task: str, arguments: str) -> str:
        """Run a task by a plain call; arguments and outcome are JSON text."""
        ...

    async def update_state(
        self, scope: str, key: str, operations: Sequence[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Change a value of the shared state by one atomic update; what it was before.

        Operations are those of iii's `state::update`. After a lost link it may be made twice.
        """
        ...

    async def delete_state(self, scope: str, key: str) -> None:
        """Delete a value of the shared state."""
        ...

    async def check_functions(self, functions: Sequence[str]) -> None:
        """Make sure that some worker, in any language, has each of these functions.

        Raises:
            NoWorkerError: Nobody has one; the message says which.
        """
        ...

    async def published(self, function_id: str) -> Published | None:
        """What the worker of a function publishes about it, None if nobody has it now."""
        ...

    async def call_remote(self, function_id: str, data: str, timeout_seconds: float) -> str:
        """Call a function of any worker, once, and wait at most some seconds.

        The answer is an outcome as JSON text; a link that is lost meanwhile is one, too. A
        failure by the convention has its name as `err`, and `declared` says whether the worker
        publishes it.
        """
        ...

    @property
    def code(self) -> str | None:
        """Version of the driver's code that workers need, None if they bring their tasks."""
        ...
