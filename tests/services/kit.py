"""The services on a real store, in the engine's process, with a clock that a test moves."""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

from agentfx.engine import Engine
from agentfx.services._host import FunctionError, Host
from agentfx.services._sqlite import SqliteStore
from agentfx.services._sqlite._transaction import SqliteTransaction
from agentfx.services._store import StoreError, Transaction
from agentfx.services.queue import QueueService, QueueSettings
from agentfx.services.state import StateService, StateSettings


class HandClock:
    """A `Clock` that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = 1_700_000_000.0
        self._numbers = count()
        self._sleeping: list[tuple[float, int, asyncio.Future[None]]] = []

    def wall(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleeping, (self._now + seconds, next(self._numbers), future))
        await future

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        while self._sleeping and self._sleeping[0][0] <= self._now:
            future = heapq.heappop(self._sleeping)[2]
            if not future.done():
                future.set_result(None)


async def still(store: SqliteStore) -> None:
    """Let everything happen that can happen without time passing, on the store and on the loop."""
    for _ in range(5):
        with suppress(StoreError):  # closed, or full
            await store.write(lambda t: None)
            await store.read(lambda t: None)
        for _ in range(10):
            await asyncio.sleep(0)


class Recorder:
    """A function that notes what it was called with, and fails as often as it is told to.

    Attributes:
        calls: The payloads.
        errors: What the next calls fail with.
        running: How many calls have begun and not ended.
    """

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.errors: list[FunctionError] = []
        self.running = self.most_running = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: Any = None

    async def __call__(self, data: Any, caller: str | None) -> Any:
        self.calls.append(data)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        if self.errors:
            raise self.errors.pop(0)
        return self.answer


def failures(times: int, code: str = "invocation_failed") -> list[FunctionError]:
    """Errors for a recorder."""
    return [FunctionError(code, f"failure {number}") for number in range(times)]


class Services:
    """State and queues in one process."""

    def __init__(
        self, store: SqliteStore, host: Host, clock: HandClock, queue: QueueService
    ) -> None:
        self.store, self.host, self.clock, self.queue = store, host, clock, queue

    async def call(self, function_id: str, /, **data: Any) -> Any:
        """Call a function."""
        return await self.host.call(function_id, data)

    async def refused(self, function_id: str, /, **data: Any) -> str:
        """Call a function that must fail; the code of its error."""
        try:
            await self.call(function_id, **data)
        except FunctionError as error:
            return error.code
        raise AssertionError("it succeeded")

    async def subscribe(self, topic: str, function_id: str, **config: Any) -> str:
        """Make a trigger; its id."""
        trigger = {
            "trigger_type": "durable:subscriber",
            "function_id": function_id,
            "config": {"topic": topic, **config},
        }
        made = await self.host.call("engine::register_trigger", trigger)
        return str(made["id"])

    async def unsubscribe(self, trigger_id: str) -> None:
        """End a trigger."""
        await self.call("engine::unregister_trigger", id=trigger_id)

    async def publish(self, topic: str, data: Any) -> None:
        """Publish a message."""
        await self.call("iii::durable::publish", topic=topic, data=data)

    async def enqueue(self, queue: str, function_id: str, data: Any, receipt: str = "r") -> Any:
        """Put a call into a named queue."""
        return await self.call(
            "engine::queue::enqueue",
            queue=queue,
            function_id=function_id,
            data=data,
            messageReceiptId=receipt,
        )

    async def still(self) -> None:
        """Let everything happen that can happen without time passing."""
        await still(self.store)

    async def depth(self, name: str) -> int:
        """How many messages wait."""
        stats = await self.call("engine::queue::topic_stats", topic=name)
        return int(stats["depth"])

    async def letters(self, name: str) -> list[Any]:
        """The dead letters of a queue."""
        found: list[Any] = await self.call("engine::queue::dlq_messages", topic=name)
        return found

    async def dead(self, name: str, number: int) -> list[Any]:
        """Wait for dead letters."""
        async with asyncio.timeout(10):
            while True:
                found = await self.letters(name)
                if len(found) >= number:
                    return found
                await asyncio.sleep(0.001)

    async def empty(self, name: str) -> None:
        """Wait until no message waits or is being handled; delayed ones do not count."""
        async with asyncio.timeout(10):
            while await self.depth(name):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.001)

    async def attached(self) -> list[str]:
        """The topics that somebody subscribes to now, as the store has it."""
        rows = await self.store.read(lambda rows: rows.queues.queues())
        return [row.key.name for row in rows if row.key.function_id and row.detached_ms is None]

    async def limit_pages(self, spare: int | None) -> None:
        """Leave the store so much room to grow, or all it wants."""

        def limit(rows: Transaction) -> None:
            execute = cast("SqliteTransaction", rows).connection.execute
            used = execute("PRAGMA page_count").fetchone()[0]
            most = (1 << 30) if spare is None else used + spare
            execute(f"PRAGMA max_page_count = {most}")

        await self.store.write(limit)


def broken(error: BaseException) -> None:
    raise AssertionError("the store broke") from error


@asynccontextmanager
async def services(
    path: Path,
    queues: QueueSettings | None = None,
    state: StateSettings | None = None,
    clock: HandClock | None = None,
    prepare: Callable[[Host], Awaitable[None]] | None = None,
) -> AsyncGenerator[Services, None]:
    """Services on a store, for a while.

    Args:
        path: Folder of the store.
        queues: For the queues.
        state: For the state.
        clock: A new one unless given.
        prepare: Called before the services start.
    """
    clock = clock or HandClock()
    store = SqliteStore(path / "store.db", broken)
    engine = Engine(clock=clock)
    if prepare is not None:
        await prepare(engine.host)
    queue = QueueService(store, engine.host, queues, clock=clock)
    state_service = StateService(store, engine.host, state)
    await state_service.start()
    await queue.start()
    try:
        yield Services(store, engine.host, clock, queue)
    finally:
        await queue.stop()
        await state_service.stop()
        await engine.stop()
        store.close()
