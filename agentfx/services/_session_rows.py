"""Rows of sessions: logs, tool calls, costs and blobs, inside one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from agentfx.jobs import CallState, Results

Policy: TypeAlias = Literal["queue", "preempt"]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session.

    Attributes:
        run_no: The run that owns its jobs.
        agent: Id of the task that makes a step.
        code: Version of the driver's code that has it.
        policy: Whether a message waits for the end of a turn, or overtakes it.
        results: Whether a step waits for all results of a turn, or for each.
        epoch: Turns and wakes of a lower one are refused.
        head: Number of the last event; `chain` is its hash.
        wakes: How many wake jobs there were.
        wake: The open wake job.
        wake_head: `head` when it was queued.
        due_at: No wake before, by the wall clock.
        budget: How much the model calls of its purse may cost in all.
        purse: Sessions with the same one share a budget.
        parent: The session it was forked from, after event `parent_seq`.
    """

    no: int
    id: str
    run_no: int
    agent: str
    code: str | None
    policy: Policy
    results: Results
    epoch: int
    head: int
    chain: str
    wakes: int
    wake: str | None
    wake_head: int
    due_at: float | None
    budget: float | None
    purse: str
    parent: str | None
    parent_seq: int | None
    created_at: float


@dataclass(frozen=True, slots=True)
class LogRow:
    """One event of a log; it never changes.

    Attributes:
        writer: Who wrote it: a client, or the label of a worker.
        key: An append with the same key is made once.
        body: JSON text.
        stimulus: Somebody has to react to it.
        reacting_to: The highest stimulus that this reacts to.
        hash: Of this event and all before it.
    """

    seq: int
    at: float
    writer: str
    epoch: int
    kind: str
    key: str | None
    body: str
    stimulus: bool
    reacting_to: int | None
    hash: str


@dataclass(frozen=True, slots=True)
class CallRow:
    """One tool call.

    Attributes:
        session_no: Whose call it is.
        call: Its id, unique in the session.
        tool: Id of the task or function.
        job: The job that runs it; None while it is held.
        request: JSON text: what the turn said of it.
        deadline: It gets a result by then, by the wall clock.
    """

    session_no: int
    call: str
    tool: str
    state: CallState
    job: str | None
    request: str
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What model calls cost: booked, and reserved by those whose usage is not known yet."""

    booked: float
    reserved: float


class SessionRows(Protocol):
    """Sessions, their logs, calls, costs and blobs."""

    def find(self, session: str) -> SessionRow | None:
        """A session by its id."""
        ...

    def by_no(self, no: int) -> SessionRow:
        """A session by its number, which has to be known."""
        ...

    def by_wake(self, job: str) -> SessionRow | None:
        """The session whose open wake job this is."""
        ...

    def add(self, session: SessionRow) -> int:
        """Keep a new session; its number."""
        ...

    def update(self, session: SessionRow) -> None:
        """Keep everything of a session that may change."""
        ...

    def all(self, limit: int) -> list[SessionRow]:
        """Sessions, newest first."""
        ...

    def run_numbers(self) -> list[int]:
        """Numbers of the hidden runs of all sessions."""
        ...

    def append(self, no: int, events: Sequence[LogRow]) -> None:
        """Append events to a log; their numbers follow those that are there."""
        ...

    def keyed(self, no: int, key: str) -> LogRow | None:
        """The event that was appended with a key."""
        ...

    def events(self, no: int, after: int, limit: int, limit_bytes: int) -> list[LogRow]:
        """Events after a number, in order, up to a count and a size."""
        ...

    def watermarks(self, no: int) -> tuple[int, int]:
        """The last stimulus, and the highest one that was reacted to."""
        ...

    def last_message(self, no: int) -> int:
        """The number of the last stimulus that is no result."""
        ...

    def copy(self, source: int, target: int, upto: int) -> None:
        """Copy the first events of a log into an empty one."""
        ...

    def add_call(self, call: CallRow) -> None:
        """Keep a new call."""
        ...

    def call(self, no: int, call: str) -> CallRow | None:
        """A call by its id in its session."""
        ...

    def call_of_job(self, job: str) -> CallRow | None:
        """The call that a job runs."""
        ...

    def open_calls(self, no: int) -> list[CallRow]:
        """Calls without a result."""
        ...

    def set_call(self, call: CallRow) -> None:
        """Change state, job and deadline of an open call; a closed one stays."""
        ...

    def close_call(self, no: int, call: str) -> bool:
        """Close an open call; False if it has a result already."""
        ...

    def overdue(self, now: float) -> list[CallRow]:
        """Open calls past their deadline."""
        ...

    def due(self, now: float) -> list[SessionRow]:
        """Sessions whose wait is over."""
        ...

    def reserve(self, purse: str, attempt: str, amount: float) -> None:
        """Set money aside for a model call, once for each `attempt`."""
        ...

    def book(self, purse: str, attempt: str, amount: float) -> None:
        """Put on record what a model call cost, instead of what was set aside for it."""
        ...

    def spent(self, purse: str) -> Spent:
        """What all model calls of a purse came to."""
        ...

    def put_blob(self, digest: str, data: bytes) -> None:
        """Keep bytes under their SHA-256; the same bytes are kept once."""
        ...

    def blob(self, digest: str) -> bytes | None:
        """The bytes of a hash, None if nobody kept them."""
        ...
