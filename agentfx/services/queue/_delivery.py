"""Messages on their way to functions, and what becomes of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from agentfx._clock import Clock
from agentfx.services._host import FunctionError, Host, Trace
from agentfx.services._store import (
    Message,
    QueueKey,
    StorageFullError,
    Store,
    StoreError,
    Ticket,
    Transaction,
)
from agentfx.services._tasks import Tasks
from agentfx.services.queue._line import Line
from agentfx.services.queue._payloads import Payloads
from agentfx.services.queue._rules import Policy, after_failure, after_loss, rendered
from agentfx.wire import Json

MISSING_SECONDS = 60.0
"""How long to wait for a function whose registration may have been announced unheard."""

FULL_SECONDS = 1.0
"""How long to wait before trying again what a full disk refused."""


@dataclass(slots=True, eq=False)
class Lane:
    """One queue at work.

    Attributes:
        condition: Function that may say false to a message, which is then skipped.
        timer: Wakes the line when something is due, at `timer_ms`.
    """

    queue_id: int
    key: QueueKey
    line: Line
    policy: Policy
    condition: str | None = None
    timer: "asyncio.Task[Any] | None" = None
    timer_ms: int = 0

    @property
    def named(self) -> bool:
        """Whether it is a named queue, where each message has a function of its own."""
        return self.key.kind == "named"


class Deliveries:
    """Hands out messages as they become due, and records what came of it."""

    def __init__(
        self, store: Store, host: Host, clock: Clock, tasks: Tasks, new_trace: Callable[[], str]
    ) -> None:
        self._store, self._host, self._clock, self._tasks = store, host, clock, tasks
        self._new_trace = new_trace
        self._announced = 0
        self._payloads = Payloads()

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self._clock.wall() * 1000)

    def accept(self, lane: Lane, ticket: Ticket, message: Message) -> None:
        """Take on a message that was just stored."""
        self._payloads.put(ticket.seq, message)
        lane.line.add(ticket)
        self.pump(lane)

    def pump(self, lane: Lane) -> None:
        """Hand out what is due."""
        tickets = lane.line.take(self.now_ms())
        kept = {ticket.seq: self._payloads.take(ticket.seq) for ticket in tickets}
        messages = {seq: message for seq, message in kept.items() if message is not None}
        if len(messages) == len(tickets):
            self._deliver_all(lane, tickets, messages)
        else:
            self._tasks.spawn(self._read_and_deliver(lane, tickets, messages))
        self._arm(lane)

    def announced(self, lane: Lane, namespace: str, function_id: str) -> None:
        """A function was registered: what waited for it goes on."""
        if lane.line.unblock((namespace, function_id)):
            self.pump(lane)

    def count_announcement(self) -> None:
        """Note that functions have changed, for deliveries that are under way."""
        self._announced += 1

    def _arm(self, lane: Lane) -> None:
        due = lane.line.next_due()
        if due is None or (lane.timer is not None and lane.timer_ms <= due):
            return
        if lane.timer is not None:
            lane.timer.cancel()
        lane.timer_ms = due
        lane.timer = self._tasks.spawn(self._wake_at(lane, due))

    async def _wake_at(self, lane: Lane, due_ms: int) -> None:
        await self._clock.sleep(max(0.0, due_ms / 1000 - self._clock.wall()))
        lane.timer = None
        self.pump(lane)

    async def _read_and_deliver(
        self, lane: Lane, tickets: list[Ticket], messages: dict[int, Message]
    ) -> None:
        seqs = [ticket.seq for ticket in tickets if ticket.seq not in messages]
        try:
            messages |= await self._store.read(lambda rows: rows.queues.messages(seqs))
        except StoreError:
            return  # closed: they stay in there, for the next process
        self._deliver_all(lane, tickets, messages)

    def _deliver_all(self, lane: Lane, tickets: list[Ticket], messages: dict[int, Message]) -> None:
        for ticket in tickets:
            if ticket.seq in messages:
                self._tasks.spawn(self._deliver(lane, ticket, messages[ticket.seq]))
            else:
                lane.line.finish(ticket)

    async def _deliver(self, lane: Lane, ticket: Ticket, message: Message) -> None:
        announced = self._announced
        try:
            await self._call(lane, message)
        except FunctionError as error:
            if error.code == "function_not_found":
                self._payloads.put(ticket.seq, message)
                self._function_missing(lane, ticket, heard_nothing=announced == self._announced)
            else:
                await self._failed(lane, ticket, error)
        else:
            await self._record(lambda rows: rows.queues.remove(ticket.seq))
            lane.line.finish(ticket)
        self.pump(lane)

    async def _call(self, lane: Lane, message: Message) -> None:
        data: Json = orjson.loads(message.payload)
        if lane.condition is not None and not await self._wanted(lane.condition, data):
            return
        baggage = message.baggage
        if lane.named and baggage is None:
            baggage = f"iii.function.id={message.function_id}"
        trace = Trace(message.traceparent or self._new_trace(), baggage)
        await self._host.call(message.function_id, data, namespace=message.namespace, trace=trace)

    async def _wanted(self, condition: str, data: Json) -> bool:
        try:
            return await self._host.call(condition, data) is not False
        except FunctionError as error:
            if error.code != "function_not_found":
                raise
            # Not the function that the message waits for, hence a failure like any other.
            raise FunctionError("condition_not_found", error.message) from error

    def _function_missing(self, lane: Lane, ticket: Ticket, *, heard_nothing: bool) -> None:
        if heard_nothing:
            until = self.now_ms() + int(MISSING_SECONDS * 1000)
            lane.line.block((ticket.namespace, ticket.function_id), until)
        lane.line.give_back(ticket)

    async def _failed(self, lane: Lane, ticket: Ticket, error: FunctionError) -> None:
        if error.code == "invocation_stopped":
            failed, dead = after_loss(ticket)
        else:
            failed, dead = after_failure(ticket, lane.policy, self.now_ms())
        if dead:
            text, failed_at = rendered(error), self.now_ms() // 1000
            await self._record(lambda rows: rows.queues.bury(failed, text, failed_at))
            lane.line.finish(ticket)
        else:
            await self._record(lambda rows: rows.queues.update(failed))
            lane.line.give_back(failed)

    async def _record(self, operation: Callable[[Transaction], None]) -> None:
        # What was handled must not be handed out again by this process: hold its slot meanwhile.
        while True:
            try:
                await self._store.write(operation)
            except StorageFullError:
                await self._clock.sleep(FULL_SECONDS)
            except StoreError:
                # Closed, or broken and about to take this process along: the message is still
                # in there, and will be handed out again by the next one.
                await asyncio.Event().wait()
            else:
                return
