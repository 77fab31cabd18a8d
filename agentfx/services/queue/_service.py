"""iii's queues: topics with durable subscribers, named queues, dead letters."""

import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import orjson

from agentfx._clock import Clock, SystemClock
from agentfx.services._host import DEFAULT_NAMESPACE, Binding, FunctionError, Handler, Host
from agentfx.services._input import Input
from agentfx.services._names import own_id
from agentfx.services._store import (
    Message,
    QueueKey,
    QueueRow,
    StorageFullError,
    Store,
    StoreError,
    Ticket,
    Transaction,
)
from agentfx.services._tasks import Tasks
from agentfx.services.queue._dead import QueueDesk
from agentfx.services.queue._delivery import FULL_SECONDS, Deliveries, Lane
from agentfx.services.queue._line import Line
from agentfx.services.queue._rules import Policy, group_of, subscription
from agentfx.services.queue._settings import QueueConfig, QueueSettings
from agentfx.services.queue._subscribers import Attached, Subscribers, attach, detach, receivers
from agentfx.wire import Json

T = TypeVar("T")
TRIGGER_TYPE = "durable:subscriber"
MAX_WAITING_WRITES = 10_000
"""Operations waiting for the store from which on nothing more is accepted."""


def _new_trace() -> str:
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"


def _new_uuid() -> str:
    return str(uuid.uuid4())


class QueueService:
    """Serves topics, named queues and their dead letters.

    A message is acknowledged to its sender once it is durable, and leaves the store once its
    function has handled it; after a crash, what was being handled is handed out again.

    Args:
        store: Keeps the messages.
        host: Where functions and triggers are.
        settings: Named queues, and defaults.
        clock: For delays.
        new_id: Ids of messages.
        plain: Whether it has iii's plain names and its trigger type beside `agentfx::queue::*`:
            False where somebody else has them.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        settings: QueueSettings | None = None,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], str] = _new_uuid,
        plain: bool = True,
    ) -> None:
        self._store, self._host, self._plain = store, host, plain
        self._settings = settings or QueueSettings()
        self._configs = {"default": QueueConfig(), **self._settings.queue_configs}
        self._clock, self._new_id = clock or SystemClock(), new_id
        self._tasks = Tasks()
        self._deliveries = Deliveries(store, host, self._clock, self._tasks, _new_trace)
        self._lanes: dict[int, Lane] = {}
        self._named: dict[str, Lane] = {}
        self._loaded: set[QueueKey] = set()
        self._subscribers = Subscribers()
        self._desk = QueueDesk(store, self._deliveries, self._lanes, self._subscribers)

    async def start(self) -> None:
        """Load what waits, register everything, and begin to hand out.

        Raises:
            FunctionError: Somebody else serves one of the ids.
            StoreError: The store cannot be read or written.
        """
        for row, tickets in await self._store.write(self._open_all):
            self._open_lane(row, tickets)
        self._host.on_function_added(self._function_added)
        for function_id, (description, handler) in self._functions().items():
            if self._plain:
                self._host.serve(function_id, handler, description=description)
            self._host.serve(own_id(function_id), handler, metadata={"internal": True})
        if self._plain:
            description = "Fires for each message of a topic"
            self._host.provide(TRIGGER_TYPE, self, description=description)
        for lane in self._lanes.values():
            self._deliveries.pump(lane)

    async def stop(self) -> None:
        """Unregister everything; what is being handled will be handed out again."""
        for function_id in self._functions():
            self._host.withdraw(own_id(function_id))
            if self._plain:
                self._host.withdraw(function_id)
        if self._plain:
            self._host.retract(TRIGGER_TYPE)
        self._lanes.clear()  # the host may still tell of functions
        self._named.clear()
        await self._tasks.close()

    def bind(self, binding: Binding) -> None:
        """See `TriggerProvider.bind`."""
        wanted = subscription(binding, self._settings)
        self._subscribers.add(binding, wanted)
        load = wanted.key not in self._loaded
        self._loaded.add(wanted.key)
        # Given to the store now, so that what is published from now on finds the subscriber.
        attached = self._store.write(lambda rows: attach(rows, wanted.key, load=load))
        self._tasks.spawn(self._attach(wanted.key, load, attached))

    def unbind(self, binding: Binding, *, disconnected: bool) -> None:
        """See `TriggerProvider.unbind`."""
        key = self._subscribers.remove(binding)
        if key is None:
            return
        if (lane := self._lane_of(key)) is not None:
            self._tune(lane)
        if not self._subscribers.of(key):
            since = self._deliveries.now_ms() if disconnected else 0
            self._tasks.spawn(_noted(self._store.write(lambda rows: detach(rows, key, since))))

    def _functions(self) -> dict[str, tuple[str, Handler]]:
        return {
            "iii::durable::publish": ("Publish a message to a topic", self._publish),
            "engine::queue::enqueue": ("Put a call into a named queue", self._enqueue),
            **self._desk.functions(),
        }

    def _open_all(self, rows: Transaction) -> list[tuple[QueueRow, list[Ticket]]]:
        for name in self._configs:
            rows.queues.open(QueueKey("named", name))
        found: list[tuple[QueueRow, list[Ticket]]] = []
        for row in rows.queues.queues():
            if row.key.kind == "topic" and not row.key.function_id:
                continue  # kept for whoever subscribes first
            if row.key.kind == "topic" and row.detached_ms is None:
                rows.queues.set_detached(row.id, self._deliveries.now_ms())
            found.append((row, rows.queues.tickets(row.id)))
        return found

    def _open_lane(self, row: QueueRow, tickets: list[Ticket]) -> Lane:
        if row.key.kind == "named":
            config = self._configs.get(row.key.name, QueueConfig())
            line = Line(ordered=config.type == "fifo", concurrency=config.concurrency)
            lane = Lane(row.id, row.key, line, Policy(config.max_retries, config.backoff_ms))
            self._named[row.key.name] = lane
        else:
            line = Line(ordered=False, concurrency=0)
            lane = Lane(row.id, row.key, line, Policy(1, 0))
        self._lanes[row.id] = lane
        self._loaded.add(row.key)
        for ticket in tickets:
            line.add(ticket)
        return lane

    async def _attach(self, key: QueueKey, load: bool, attached: Awaitable[Attached]) -> None:
        while True:
            try:
                found = await attached
                break
            except StorageFullError:
                await self._clock.sleep(FULL_SECONDS)
                attached = self._store.write(lambda rows: attach(rows, key, load=load))
        lane = self._lanes.get(found.row.id)
        if lane is None:
            lane = self._open_lane(found.row, found.tickets)
        else:
            for ticket in found.tickets:
                lane.line.add(ticket)
        self._tune(lane)
        self._deliveries.pump(lane)

    def _lane_of(self, key: QueueKey) -> Lane | None:
        return next((lane for lane in self._lanes.values() if lane.key == key), None)

    def _tune(self, lane: Lane) -> None:
        """Have a queue do what its subscribers ask for; without any, it hands out nothing."""
        wanted = self._subscribers.of(lane.key)
        if wanted:
            lane.policy, lane.condition = wanted[-1].policy, wanted[-1].condition
            lane.line = lane.line.reordered(ordered=wanted[-1].ordered)
        lane.line.concurrency = sum(one.concurrency for one in wanted)

    def _function_added(self, namespace: str, function_id: str) -> None:
        self._deliveries.count_announcement()
        for lane in self._lanes.values():
            self._deliveries.announced(lane, namespace, function_id)

    async def _publish(self, data: Json, caller: str | None) -> Json:
        asked = Input("iii::durable::publish", data)
        topic = asked.text_or_none("topic", "queue")
        if not topic:
            raise FunctionError("topic_not_set", "Topic is not set")
        payload, trace = orjson.dumps(asked.value("data")), self._host.trace()
        self._accepting()
        since = self._deliveries.now_ms() - int(self._settings.retention_seconds * 1000)

        def operation(rows: Transaction) -> list[tuple[int, Ticket, Message]]:
            stored: list[tuple[int, Ticket, Message]] = []
            for row in receivers(rows, topic, since):
                message = Message(
                    self._new_id(),
                    row.key.namespace,
                    row.key.function_id,
                    payload,
                    traceparent=trace.traceparent,
                    baggage=trace.baggage,
                )
                stored.append((row.id, rows.queues.add(row.id, message), message))
            return stored

        for queue_id, ticket, message in await _stored(self._store.write(operation)):
            lane = self._lanes.get(queue_id)
            if lane is not None:
                self._deliveries.accept(lane, ticket, message)
        return None

    async def _enqueue(self, data: Json, caller: str | None) -> Json:
        asked = Input("engine::queue::enqueue", data)
        name, payload = asked.text("queue"), asked.value("data")
        lane, config = self._named.get(name), self._configs.get(name)
        if lane is None or config is None:
            raise FunctionError("enqueue_error", f"Queue '{name}' not found")
        group = None
        if config.type == "fifo" and config.message_group_field is not None:
            group = group_of(payload, config.message_group_field)
        message = Message(
            asked.text("messageReceiptId"),
            asked.text_or_none("namespace") or DEFAULT_NAMESPACE,
            asked.text("function_id"),
            orjson.dumps(payload),
            group,
            asked.text_or_none("traceparent"),
            asked.text_or_none("baggage"),
        )
        self._accepting()
        queue_id = lane.queue_id
        ticket = await _stored(self._store.write(lambda rows: rows.queues.add(queue_id, message)))
        self._deliveries.accept(lane, ticket, message)
        return {"messageReceiptId": message.id}

    def _accepting(self) -> None:
        if self._store.waiting > MAX_WAITING_WRITES:
            raise FunctionError("overloaded", "too many messages wait to be stored, try again")


async def _noted(result: Awaitable[None]) -> None:
    with suppress(StorageFullError):  # then it goes on getting messages for now
        await result


async def _stored(result: Awaitable[T]) -> T:
    try:
        return await result
    except StorageFullError as error:
        raise FunctionError("storage_full", str(error)) from error
    except StoreError as error:
        raise FunctionError("storage_failed", str(error)) from error
