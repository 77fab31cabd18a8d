"""The engine's process is killed in the middle of its work: nothing acknowledged is lost."""

import asyncio
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from agentfx.cluster._port import free_port
from tests.engine.client import Client, Frame
from tests.waiting import eventually

SCRIPT = Path(__file__).parent / "durable.py"
KILLS = 3
pytestmark = [pytest.mark.slow, pytest.mark.faults]


class Mortal:
    """A process that is killed and started again on the same store and port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._held = folder, free_port(None)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._held.number}"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(SCRIPT), str(self._folder), str(self._held.number), stdout=PIPE
        )
        assert self._process.stdout is not None
        assert int(await self._process.stdout.readline()) == self._held.number

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def close(self) -> None:
        """Kill it for good."""
        await self.kill()
        self._held.close()


@asynccontextmanager
async def mortal(folder: Path) -> AsyncGenerator[Mortal, None]:
    engine = Mortal(folder)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def reconnected(engine: Mortal) -> Client:
    """A connection, as soon as there is somebody to connect to."""
    async with asyncio.timeout(20):
        while True:
            client = Client(engine.url)
            try:
                await client.open()
            except (OSError, InvalidHandshake, ConnectionClosed):
                await asyncio.sleep(0.01)
            else:
                await client.call("engine::workers::register", {"name": str(uuid.uuid4())})
                return client


class Sender:
    """Makes calls one after the other and notes which of them were acknowledged.

    Args:
        engine: Where to; a new connection is made whenever the old one is gone.
        make: The call number so and so.
    """

    def __init__(self, engine: Mortal, make: Any) -> None:
        self._engine, self._make = engine, make
        self.sent = 0
        self.acknowledged: list[int] = []
        self.answers: list[Any] = []

    async def run(self, stop: asyncio.Event) -> None:
        client = await reconnected(self._engine)
        while not stop.is_set():
            number = self.sent
            self.sent += 1
            try:
                function_id, data, more = self._make(number)
                answer = await _answer_or_close(client, function_id, data, more)
            except ConnectionClosed:
                answer = None
            if answer is None:
                client = await reconnected(self._engine)
            else:
                assert "error" not in answer, answer
                self.acknowledged.append(number)
                self.answers.append(answer.get("result"))
        await client.close()


async def _answer_or_close(
    client: Client, function_id: str, data: Any, more: Frame
) -> Frame | None:
    call = asyncio.ensure_future(client.call(function_id, data, **more))
    while not call.done():
        if client.closed is not None:
            call.cancel()
            return None
        await asyncio.wait((call,), timeout=0.02)
    return call.result()


async def kill_in_the_middle(engine: Mortal, senders: list[Sender], each: int) -> None:
    """Kill and start again, each time after some more was acknowledged."""
    for round_ in range(1, KILLS + 1):
        await eventually(
            lambda round_=round_: all(  # type: ignore[misc]
                len(sender.acknowledged) >= round_ * each for sender in senders
            ),
            30,
        )
        await engine.kill()
        await engine.start()


async def test_acknowledged_state_is_not_lost(tmp_path: Path) -> None:
    increment = {"type": "increment", "path": "n", "by": 1}

    def set_one(number: int) -> tuple[str, Any, Frame]:
        data = {"scope": "set", "key": str(number), "value": {"n": number, "pad": "x" * 500}}
        return "state::set", data, {}

    def add_one(number: int) -> tuple[str, Any, Frame]:
        return "state::update", {"scope": "add", "key": "k", "ops": [increment]}, {}

    async with mortal(tmp_path) as engine:
        setter, adder, stop = Sender(engine, set_one), Sender(engine, add_one), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(setter.run(stop))
            group.create_task(adder.run(stop))
            await kill_in_the_middle(engine, [setter, adder], 30)
            stop.set()
        client = await reconnected(engine)
        values = await client.result("state::list", {"scope": "set"})
        numbers = [value["n"] for value in values]
        assert set(setter.acknowledged) <= set(numbers)
        assert numbers == sorted(numbers)  # also in order
        total = (await client.result("state::get", {"scope": "add", "key": "k"}))["n"]
        assert len(adder.acknowledged) <= total <= adder.sent
        seen = [answer["new_value"]["n"] for answer in adder.answers]
        assert len(set(seen)) == len(seen)
        await client.close()


class Worker:
    """Handles messages, and comes back whenever the engine does.

    Attributes:
        begun: How often each message was begun, by number.
        done: How often each was handled to its end and its answer sent.
    """

    def __init__(self, engine: Mortal, function_id: str, topic: str | None) -> None:
        self._engine, self._function_id, self._topic = engine, function_id, topic
        self.begun: Counter[int] = Counter()
        self.done: Counter[int] = Counter()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            client = await reconnected(self._engine)
            try:
                await client.register(self._function_id, self._handle)
                if self._topic is not None:
                    config = {"topic": self._topic, "queue_config": {"concurrency": 8}}
                    await client.trigger("durable:subscriber", self._function_id, config)
            except ConnectionClosed:
                continue
            await eventually(lambda client=client: client.closed is not None or stop.is_set(), 60)  # type: ignore[misc]
            await client.close()

    async def _handle(self, data: Any, frame: Frame) -> Any:
        self.begun[data["n"]] += 1
        await asyncio.sleep(0.02)
        self.done[data["n"]] += 1


@pytest.mark.parametrize("topic", [None, "orders"])
async def test_acknowledged_messages_are_handled(tmp_path: Path, topic: str | None) -> None:
    def make(number: int) -> tuple[str, Any, Frame]:
        if topic is not None:
            return "iii::durable::publish", {"topic": topic, "data": {"n": number}}, {}
        action = {"type": "enqueue", "queue": "jobs"}
        return "work", {"n": number}, {"action": action}

    async with mortal(tmp_path) as engine:
        sender, worker = Sender(engine, make), Worker(engine, "work", topic)
        stop_sending, stop_working = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run(stop_working))
            sending = group.create_task(sender.run(stop_sending))
            await kill_in_the_middle(engine, [sender], 40)
            stop_sending.set()
            await sending
            client = await reconnected(engine)
            await empty(client, topic or "jobs")  # also of what was stored but not acknowledged
            stop_working.set()
        assert set(sender.acknowledged) <= worker.done.keys()
        dead = await client.result("engine::queue::dlq_messages", {"topic": topic or "jobs"})
        assert dead == []
        # What is handled twice was being handled, or being forgotten, when the engine died.
        assert sum(count - 1 for count in worker.done.values()) <= KILLS * 2 * 8
        await client.close()


async def empty(client: Client, topic: str) -> None:
    """Wait until no message waits or is being handled."""
    async with asyncio.timeout(30):
        while True:
            stats = await client.result("engine::queue::topic_stats", {"topic": topic})
            if not stats["depth"]:
                return
            await asyncio.sleep(0.01)


async def test_what_was_being_handled_is_handed_out_again(tmp_path: Path) -> None:
    async with mortal(tmp_path) as engine:
        client = await reconnected(engine)
        begun: list[Any] = []

        async def hang(data: Any, frame: Frame) -> Any:
            begun.append(data)
            await asyncio.Event().wait()

        await client.register("work", hang)
        for number in range(20):
            action = {"type": "enqueue", "queue": "jobs"}
            await client.result("work", {"n": number}, action=action)
        await eventually(lambda: len(begun) == 8)
        await engine.kill()
        await client.abort()
        await engine.start()
        heir = await reconnected(engine)
        handled: list[int] = []

        async def handle(data: Any, frame: Frame) -> Any:
            handled.append(data["n"])

        await heir.register("work", handle)
        await eventually(lambda: len(handled) == 20)
        assert sorted(handled) == list(range(20))
        assert handled[:8] == list(range(8))  # those first, in their order
        await heir.close()
