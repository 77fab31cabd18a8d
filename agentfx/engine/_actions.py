"""What the routing wants done; the server performs actions in the order given."""

from dataclasses import dataclass
from typing import TypeAlias

from agentfx.services._host import Binding, Trace, WorkerChange
from agentfx.wire import ErrorBody, Json, ToWorker


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message; nothing if the connection is gone."""

    connection: str
    message: ToWorker


@dataclass(frozen=True, slots=True)
class Close:
    """End a connection with a close frame that carries no code."""

    connection: str


@dataclass(frozen=True, slots=True)
class Evict:
    """Cut a connection whose state is gone already."""

    connection: str


@dataclass(frozen=True, slots=True)
class Serve:
    """Run a handler of this process, then report to `answered`."""

    call_id: str
    function_id: str
    data: Json
    caller: str | None
    trace: Trace


@dataclass(frozen=True, slots=True)
class Resolve:
    """Answer a call that this process made."""

    call_id: str
    result: Json
    error: ErrorBody | None


@dataclass(frozen=True, slots=True)
class Bind:
    """Hand a trigger to a provider of this process, then report to `bound`."""

    trigger_type: str
    binding: Binding


@dataclass(frozen=True, slots=True)
class Unbind:
    """Take a trigger from a provider of this process."""

    trigger_type: str
    binding: Binding
    disconnected: bool


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the listeners of this process about a worker."""

    change: WorkerChange


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the listeners of this process about a new function."""

    namespace: str
    function_id: str


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """Make a channel that the two keys give access to."""

    channel_id: str
    writer_key: str
    reader_key: str
    capacity: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Timer: a connection has had its time to say which namespace it is in."""

    connection: str


@dataclass(frozen=True, slots=True)
class AcceptTrigger:
    """Timer: a provider has had its time to refuse a trigger."""

    trigger_id: str


@dataclass(frozen=True, slots=True)
class TellFunctions:
    """Timer: functions have changed, and those that follow at once may have come as well."""


Timer: TypeAlias = Settle | AcceptTrigger | TellFunctions


@dataclass(frozen=True, slots=True)
class After:
    """Report a timer to `elapsed` once some time has passed."""

    seconds: float
    timer: Timer


Action: TypeAlias = (
    Send | Close | Evict | Serve | Resolve | Bind | Unbind | Notify | Announce | OpenChannel | After
)
Actions: TypeAlias = tuple[Action, ...]
