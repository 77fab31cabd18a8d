"""What clients and workers say about sessions, checked."""

from dataclasses import dataclass, field
from typing import Literal

from agentfx.jobs import Results
from agentfx.services._session_rows import Policy
from agentfx.services.dispatch import Count
from agentfx.wire import Json


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append.

    Attributes:
        key: An append with the same key and body is made once; with another body, refused.
        stimulus: Somebody has to react to it.
        reacting_to: The highest stimulus that this reacts to.
    """

    kind: str
    body: Json
    key: str | None = None
    stimulus: bool = False
    reacting_to: int | None = None


@dataclass(frozen=True, slots=True)
class NewCall:
    """A tool call of a turn.

    Attributes:
        call: Its id, unique in the session.
        task: What its job runs.
        input: JSON text for the job.
        code: Version of the code that the job needs, if it is not the session's.
        request: What the log says of the call; goes into the events about it.
        held: It waits for an approval.
        limit_seconds: It gets a result after so long, whatever happens.
    """

    call: str
    task: str
    input: str
    code: str | None = None
    request: Json = None
    at_most_once: bool = False
    timeout_seconds: float | None = None
    held: bool = False
    limit_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Make a session, or bring the code of a known one up to date; `events` begin its log."""

    session: str
    agent: str
    writer: str
    events: list[NewEvent] = field(default_factory=list[NewEvent])
    code: str | None = None
    policy: Policy = "queue"
    results: Results = "all"
    budget: float | None = None
    purse: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a model call may cost, or did cost."""

    attempt: str
    amount: float


@dataclass(frozen=True, slots=True)
class StepEnd:
    """The end of a wake job.

    Attributes:
        delivery: Which of its starts has come to this end.
        ms: How long that took.
    """

    delivery: int
    ms: float


@dataclass(frozen=True, slots=True)
class Append:
    """Append events and queue jobs, if the epoch is still this.

    Attributes:
        epoch: Refused if the session is in a later one; None for what has no epoch, such as
            the usage of a call that was overtaken.
        wake: The wake job that appends; refused if it is no longer the open one.
        ends_wake: This is the turn of the wake job, which is done with it.
        due_in_seconds: The next wake is queued after so long.
        reserve: Refused if it would exceed the budget.
        book: What a model call did cost.
        after: The answer brings the events after this one.
        wait_seconds: Of a client's message: wait so long for the session to be idle, and
            answer as to `GetSession` as well.
    """

    session: str
    writer: str
    events: list[NewEvent]
    epoch: int | None = None
    wake: str | None = None
    ends_wake: StepEnd | None = None
    calls: list[NewCall] = field(default_factory=list[NewCall])
    due_in_seconds: float | None = None
    reserve: Cost | None = None
    book: Cost | None = None
    after: int | None = None
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Events after a number."""

    session: str
    after: Count = 0
    limit: Count = 1000
    limit_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Watch:
    """Events after a number, and deltas after (attempt, number); waits for the first.

    Attributes:
        attempt: Of the last delta that was seen; of another attempt all are sent.
    """

    session: str
    after: Count = 0
    attempt: str = ""
    delta: int = 0
    wait_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Decide:
    """Approve or reject a call that is held.

    Attributes:
        task: What the job runs; `input` may differ from what the model asked for.
        edited: It does.
    """

    session: str
    call: str
    approve: bool
    writer: str
    input: str | None = None
    edited: bool = False
    arguments: Json = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """End what a session does now; every open call gets a result."""

    session: str
    writer: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fork:
    """Make a session of the first events of another.

    Attributes:
        at: The last event that is kept.
        edit: Body of the last event, instead of its own.
        settings: Changes of the branch's first event, such as another system prompt.
        agent: Whose session the branch is; with `code` and the rules that this agent has. None
            leaves everything as it is.
    """

    session: str
    branch: str
    at: int
    writer: str
    edit: Json = None
    settings: Json = None
    agent: str | None = None
    code: str | None = None
    policy: Policy = "queue"
    results: Results = "all"
    budget: float | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """Text of a model call under way; never the truth."""

    session: str
    attempt: str
    parts: list[Json]
    kind: Literal["parts", "void"] = "parts"


@dataclass(frozen=True, slots=True)
class GetSession:
    """How a session stands; waits some seconds for it to be idle.

    Attributes:
        after: Once it is idle, the answer brings the events after this one.
    """

    session: str
    wait_seconds: float = 0.0
    after: Count | None = None


@dataclass(frozen=True, slots=True)
class BlobName:
    """A stored text that was too large for an event."""

    hash: str


@dataclass(frozen=True, slots=True)
class Some:
    """How many rows."""

    limit: Count = 1000
