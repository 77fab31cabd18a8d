"""Functions that show queues and their dead letters, and bring messages back."""

from collections.abc import Callable

import orjson

from agentfx.services._host import FunctionError, Handler
from agentfx.services._input import Input
from agentfx.services._store import DeadLetter, Store, Ticket, Transaction
from agentfx.services.queue._delivery import Deliveries, Lane
from agentfx.services.queue._subscribers import Subscribers
from agentfx.wire import Json

BROKER = "builtin"
PAGE = 50


class QueueDesk:
    """Answers questions about the queues.

    Args:
        store: Where they are.
        deliveries: Told of messages that come back.
        lanes: The queues by id.
        subscribers: Who listens to topics now.
    """

    def __init__(
        self,
        store: Store,
        deliveries: Deliveries,
        lanes: dict[int, Lane],
        subscribers: Subscribers,
    ) -> None:
        self._store, self._deliveries = store, deliveries
        self._lanes, self._subscribers = lanes, subscribers

    def functions(self) -> dict[str, tuple[str, Handler]]:
        """What to register: description and handler by id."""
        return {
            "iii::queue::redrive": ("Try all dead letters of a queue again", self._redrive),
            "iii::queue::redrive_message": ("Try a dead letter again", self._redrive_message),
            "iii::queue::discard_message": ("Drop a dead letter", self._discard_message),
            "engine::queue::list_topics": ("List queues and topics", self._list_topics),
            "engine::queue::topic_stats": ("Count the messages of a queue", self._topic_stats),
            "engine::queue::dlq_topics": ("List queues with dead letters", self._dlq_topics),
            "engine::queue::dlq_messages": ("Show dead letters", self._dlq_messages),
        }

    def _found(self, name: str) -> list[Lane]:
        """The queues that a name means: a named one, and those of a topic."""
        return [lane for lane in self._lanes.values() if lane.key.name == name]

    async def _redrive(self, data: Json, caller: str | None) -> Json:
        name = _name(Input("iii::queue::redrive", data))
        return {"queue": name, "redriven": await self._revive(name, None)}

    async def _redrive_message(self, data: Json, caller: str | None) -> Json:
        name, message_id = _name_and_id(Input("iii::queue::redrive_message", data))
        redriven = await self._revive(name, message_id)
        return {"queue": name, "message_id": message_id, "redriven": redriven}

    async def _discard_message(self, data: Json, caller: str | None) -> Json:
        name, message_id = _name_and_id(Input("iii::queue::discard_message", data))
        queues = [lane.queue_id for lane in self._found(name)]

        def operation(rows: Transaction) -> int:
            return sum(rows.queues.discard(queue_id, message_id) for queue_id in queues)

        discarded = await self._store.write(operation)
        return {"queue": name, "message_id": message_id, "redriven": discarded}

    async def _revive(self, name: str, message_id: str | None) -> int:
        queues = [lane.queue_id for lane in self._found(name)]

        def operation(rows: Transaction) -> list[tuple[int, Ticket]]:
            return [
                (queue_id, ticket)
                for queue_id in queues
                for ticket in rows.queues.revive(queue_id, message_id)
            ]

        revived = await self._store.write(operation)
        for queue_id, ticket in revived:
            self._lanes[queue_id].line.add(ticket)
        for queue_id in {queue_id for queue_id, _ in revived}:
            self._deliveries.pump(self._lanes[queue_id])
        return len(revived)

    async def _list_topics(self, data: Json, caller: str | None) -> Json:
        rows = await self._store.read(lambda rows: rows.queues.queues())
        named = {
            lane.key.name: lane.line.concurrency for lane in self._lanes.values() if lane.named
        }
        topics = {row.key.name for row in rows if row.key.kind == "topic"} - named.keys()
        counts = named | {topic: self._subscribers.count(topic) for topic in topics}
        return [
            {"name": name, "broker_type": BROKER, "subscriber_count": count}
            for name, count in sorted(counts.items())
        ]

    async def _topic_stats(self, data: Json, caller: str | None) -> Json:
        asked = Input("engine::queue::topic_stats", data)
        name = asked.text_or_none("topic", "queue")
        if not name:
            raise FunctionError("topic_required", "Topic is required")
        lanes = self._found(name)
        queues = [lane.queue_id for lane in lanes]
        kept, dead = await self._store.read(_counting(name, queues))
        named = [lane.line.concurrency for lane in lanes if lane.named]
        return {
            "depth": kept + sum(lane.line.depth for lane in lanes),
            "consumer_count": named[0] if named else self._subscribers.count(name),
            "dlq_depth": dead,
            "config": None,
        }

    async def _dlq_topics(self, data: Json, caller: str | None) -> Json:
        names = {lane.queue_id: lane.key.name for lane in self._lanes.values()}
        counts = await self._store.read(
            lambda rows: {queue_id: rows.queues.dead_count(queue_id) for queue_id in names}
        )
        totals: dict[str, int] = {}
        for queue_id, count in counts.items():
            totals[names[queue_id]] = totals.get(names[queue_id], 0) + count
        return [
            {"topic": name, "broker_type": BROKER, "message_count": count}
            for name, count in sorted(totals.items())
            if count
        ]

    async def _dlq_messages(self, data: Json, caller: str | None) -> Json:
        asked = Input("engine::queue::dlq_messages", data)
        queues = [lane.queue_id for lane in self._found(_name(asked))]
        offset, limit = asked.number("offset", 0), asked.number("limit", PAGE)
        letters = await self._store.read(lambda rows: rows.queues.dead(queues, offset, limit))
        return [_shown(letter) for letter in letters]


def _counting(name: str, queues: list[int]) -> Callable[[Transaction], tuple[int, int]]:
    def query(rows: Transaction) -> tuple[int, int]:
        kept = sum(
            rows.queues.count(row.id)
            for row in rows.queues.queues()
            if row.key.kind == "topic" and row.key.name == name and not row.key.function_id
        )
        return kept, sum(rows.queues.dead_count(queue_id) for queue_id in queues)

    return query


def _name(asked: Input) -> str:
    name = asked.text_or_none("queue", "topic")
    if not name:
        raise FunctionError("queue_not_set", "Queue name is required")
    return name


def _name_and_id(asked: Input) -> tuple[str, str]:
    name, message_id = _name(asked), asked.text_or_none("message_id")
    if not message_id:
        raise FunctionError("message_id_not_set", "Message ID is required")
    return name, message_id


def _shown(letter: DeadLetter) -> Json:
    entry: dict[str, Json] = {
        "id": letter.message.id,
        "payload": orjson.loads(letter.message.payload),
        "error": letter.error,
        "failed_at": letter.failed_at,
        "retries": letter.attempts,
    }
    return {**entry, "size_bytes": len(orjson.dumps(entry))}
