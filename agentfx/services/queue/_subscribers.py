"""`durable:subscriber` triggers: who gets what of a topic, and since when nobody does."""

from dataclasses import dataclass

from agentfx.services._host import Binding
from agentfx.services._store import QueueKey, QueueRow, Ticket, Transaction
from agentfx.services.queue._rules import Subscription


@dataclass(frozen=True, slots=True)
class Attached:
    """A subscriber's queue, and messages in it that are not known in memory yet."""

    row: QueueRow
    tickets: list[Ticket]


class Subscribers:
    """The subscriptions that are bound now, by trigger."""

    def __init__(self) -> None:
        self._bound: dict[str, Subscription] = {}

    def add(self, binding: Binding, subscription: Subscription) -> None:
        """A trigger was bound."""
        self._bound[binding.id] = subscription

    def remove(self, binding: Binding) -> QueueKey | None:
        """A trigger was unbound; the queue it shared, None if it is not known."""
        gone = self._bound.pop(binding.id, None)
        return None if gone is None else gone.key

    def of(self, key: QueueKey) -> list[Subscription]:
        """What shares a queue; the last one's tuning counts."""
        return [known for known in self._bound.values() if known.key == key]

    def count(self, topic: str) -> int:
        """How many triggers a topic has."""
        return sum(known.key.name == topic for known in self._bound.values())


def attach(rows: Transaction, key: QueueKey, *, load: bool) -> Attached:
    """Note that somebody subscribes, and hand over what was kept for the first who does.

    Args:
        rows: The store.
        key: The subscriber's queue.
        load: Whether its messages are not in memory yet.
    """
    row = rows.queues.open(key)
    if row.detached_ms is not None:
        rows.queues.set_detached(row.id, None)
    kept = rows.queues.open(QueueKey("topic", key.name))
    tickets = rows.queues.tickets(row.id) if load else []
    return Attached(row, [*tickets, *rows.queues.move(kept.id, row.id)])


def detach(rows: Transaction, key: QueueKey, since_ms: int) -> None:
    """Note that nobody subscribes any more."""
    rows.queues.set_detached(rows.queues.open(key).id, since_ms)


def receivers(rows: Transaction, topic: str, retained_since_ms: int) -> list[QueueRow]:
    """Who gets a message: subscribers, those that went away lately, else whoever comes first.

    Args:
        rows: The store.
        topic: Where it is published.
        retained_since_ms: Subscribers that went away before this get nothing any more.
    """
    found = [
        row
        for row in rows.queues.subscribers(topic)
        if row.detached_ms is None or row.detached_ms > retained_since_ms
    ]
    return found or [rows.queues.open(QueueKey("topic", topic))]
