"""The port to durable storage: one writer, transactions, no SQL outside an implementation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from agentfx._errors import AgentfxError
from agentfx.services._run_rows import JobRows, RosterRows, RunRows
from agentfx.services._session_rows import SessionRows

T = TypeVar("T")


class StoreError(AgentfxError):
    """A store could not be opened, or an operation could not be made durable."""


class StoreLockedError(StoreError):
    """Another engine has this store open."""


class StoreTooNewError(StoreError):
    """The store was written by a newer version of agentfx."""


class StorageFullError(StoreError):
    """There is no room: nothing of the operation was kept, and it may be tried again."""


class StateRows(Protocol):
    """Values by scope and key; within a scope, keys keep the order of their first insertion."""

    def get(self, scope: str, key: str) -> bytes | None:
        """The value of a key."""
        ...

    def put(self, scope: str, key: str, value: bytes) -> None:
        """Set a key: a new one comes last in its scope, a known one keeps its place."""
        ...

    def remove(self, scope: str, key: str) -> None:
        """Remove a key, if it is there."""
        ...

    def size(self, scope: str) -> int:
        """How many bytes the values of a scope have."""
        ...

    def values(self, scope: str) -> list[bytes]:
        """The values of a scope, in order."""
        ...

    def scopes(self) -> list[str]:
        """The scopes that have keys, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class QueueKey:
    """Which queue: a named one, or what one function gets of one topic.

    Attributes:
        name: Of the queue or topic.
        namespace: Of the subscribed function.
        function_id: Subscribed; empty for a named queue, and for the queue that keeps what is
            published to a topic before anybody subscribes.
    """

    kind: Literal["named", "topic"]
    name: str
    namespace: str = ""
    function_id: str = ""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue that exists.

    Attributes:
        detached_ms: Since when nobody subscribes; None while somebody does.
    """

    id: int
    key: QueueKey
    detached_ms: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """What is put into a queue.

    Attributes:
        payload: JSON text for the function.
        group: Messages of a group are handled one after the other.
    """

    id: str
    namespace: str
    function_id: str
    payload: bytes
    group: str | None = None
    traceparent: str | None = None
    baggage: str | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A waiting message without its payload.

    Attributes:
        seq: Its place: lower ones came earlier.
        attempts: How often it failed.
        losses: How often its worker went away while handling it.
        due_ms: Not before; 0 for at once.
    """

    seq: int
    namespace: str
    function_id: str
    group: str | None = None
    attempts: int = 0
    losses: int = 0
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up; `failed_at` in seconds."""

    message: Message
    attempts: int
    error: str
    failed_at: int


class QueueRows(Protocol):
    """Queues, the messages that wait in them, and their dead letters."""

    def queues(self) -> list[QueueRow]:
        """All queues."""
        ...

    def open(self, key: QueueKey) -> QueueRow:
        """A queue, made if it does not exist; a new one counts as attached."""
        ...

    def subscribers(self, topic: str) -> list[QueueRow]:
        """What the functions get that have subscribed to a topic."""
        ...

    def count(self, queue_id: int) -> int:
        """How many messages wait in a queue."""
        ...

    def set_detached(self, queue_id: int, detached_ms: int | None) -> None:
        """Note that nobody subscribes any more, or that somebody does again."""
        ...

    def tickets(self, queue_id: int) -> list[Ticket]:
        """All waiting messages of a queue, in order."""
        ...

    def add(self, queue_id: int, message: Message) -> Ticket:
        """Put a message at the end of a queue."""
        ...

    def messages(self, seqs: list[int]) -> dict[int, Message]:
        """Waiting messages by place; those that are gone are left out."""
        ...

    def move(self, source_id: int, target_id: int) -> list[Ticket]:
        """Move all messages to another queue, whose function they get; they keep their places."""
        ...

    def update(self, ticket: Ticket) -> None:
        """Keep a ticket's attempts, losses and due time."""
        ...

    def remove(self, seq: int) -> None:
        """Remove a message: it was handled."""
        ...

    def bury(self, ticket: Ticket, error: str, failed_at: int) -> None:
        """Make a waiting message a dead letter."""
        ...

    def dead_count(self, queue_id: int) -> int:
        """How many dead letters a queue has."""
        ...

    def dead(self, queue_ids: list[int], offset: int, limit: int) -> list[DeadLetter]:
        """Dead letters of some queues, newest first."""
        ...

    def revive(self, queue_id: int, message_id: str | None = None) -> list[Ticket]:
        """Put dead letters back at the end of their queue, oldest first: one, or all."""
        ...

    def discard(self, queue_id: int, message_id: str) -> int:
        """Remove a dead letter for good; the number of those removed."""
        ...


class Transaction(Protocol):
    """The rows of the services, inside one transaction."""

    @property
    def state(self) -> StateRows:
        """What `state::*` keeps."""
        ...

    @property
    def queues(self) -> QueueRows:
        """What the queues keep."""
        ...

    @property
    def runs(self) -> RunRows:
        """Runs and their journals."""
        ...

    @property
    def jobs(self) -> JobRows:
        """Jobs, their outcomes, and events."""
        ...

    @property
    def roster(self) -> RosterRows:
        """Workers that were there."""
        ...

    @property
    def sessions(self) -> SessionRows:
        """Logs of sessions."""
        ...


class Store(Protocol):
    """Durable rows behind one writer.

    Operations run one at a time, in the order they were given; those that wait together are
    committed together. An operation sees all that came before it, and its result is handed
    over only after the commit that holds it.
    """

    def write(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run an operation; what it raises undoes it alone and reaches its caller alone.

        Raises:
            StorageFullError: There is no room; nothing of the operation was kept.
            StoreError: The commit failed; nothing of the operation was kept.
        """
        ...

    def read(self, query: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run a query on what is committed, beside the writer.

        Raises:
            StoreError: The store is closed.
        """
        ...

    @property
    def lossy(self) -> str | None:
        """Why what is acknowledged may be lost with the machine; None: it may not."""
        ...

    @property
    def waiting(self) -> int:
        """How many operations wait for their commit."""
        ...

    def close(self) -> None:
        """Commit what waits, then release the store."""
        ...
