"""A raw client of the protocol: what it sends is written out, what it receives is kept."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.waiting import eventually

Frame: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Any, Frame], Awaitable[Any]]

DEADLINE = 30.0


class Client:
    """One connection.

    Attributes:
        frames: Everything received so far.
        handlers: What answers calls, by function id; a call to another stays unanswered.
        closed: Code and reason, once the connection has ended.
    """

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self._url, self._headers = url, headers
        self.frames: list[Frame] = []
        self.handlers: dict[str, Handler] = {}
        self.closed: tuple[int | None, str | None] | None = None
        self._pending: dict[str, asyncio.Future[Frame]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: ClientConnection

    async def open(self) -> None:
        """Connect, and wait for the first frame."""
        self._socket = await connect(
            self._url,
            additional_headers=self._headers,
            compression=None,
            max_size=None,
            ping_interval=None,
        )
        self._spawn(self._read())
        await self.expect("workerregistered")

    async def close(self) -> None:
        """Disconnect in an orderly way."""
        await self._socket.close()
        await self._end()

    async def abort(self) -> None:
        """Drop the connection as a killed process does."""
        self._socket.transport.abort()
        await self._end()

    async def introduce(self, name: str, **more: Any) -> Frame:
        """Say who this is; a barrier for what was registered before."""
        data = {
            "runtime": "python",
            "version": "0",
            "name": name,
            "os": "linux",
            "pid": os.getpid(),
            "isolation": None,
            **more,
        }
        return await self.call("engine::workers::register", data)

    async def send(self, frame: Frame | str | bytes) -> None:
        """Send one frame."""
        await self._socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def call(
        self, function_id: str, data: Any = ..., *, seconds: float = DEADLINE, **more: Any
    ) -> Frame:
        """Call a function; its result or error, or `{"timeout": True}`."""
        invocation_id = str(uuid.uuid4())
        frame: Frame = {
            "type": "invokefunction",
            "invocation_id": invocation_id,
            "function_id": function_id,
            **more,
        }
        if data is not ...:
            frame["data"] = data
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._pending[invocation_id] = future
        await self.send(frame)
        try:
            async with asyncio.timeout(seconds):
                answer = await future
        except TimeoutError:
            return {"timeout": True}
        return {name: answer[name] for name in ("result", "error") if name in answer}

    async def result(self, function_id: str, data: Any, **more: Any) -> Any:
        """Call a function that must succeed."""
        answer = await self.call(function_id, data, **more)
        assert "error" not in answer, answer
        assert "timeout" not in answer, function_id
        return answer.get("result")

    async def register(self, function_id: str, handler: Handler, **more: Any) -> None:
        """Offer a function, and wait until the engine has it or has refused it."""
        self.handlers[function_id] = handler
        await self.send({"type": "registerfunction", "id": function_id, **more})
        await self.barrier()

    async def trigger(self, trigger_type: str, function_id: str, config: Any, **more: Any) -> str:
        """Make a trigger, and wait until the engine has seen it."""
        trigger_id = str(uuid.uuid4())
        await self.send(
            {
                "type": "registertrigger",
                "id": trigger_id,
                "trigger_type": trigger_type,
                "function_id": function_id,
                "config": config,
                **more,
            }
        )
        await self.barrier()
        return trigger_id

    async def barrier(self) -> None:
        """Wait until the engine has handled everything sent so far."""
        before = len(self.of_type("pong"))
        await self.send({"type": "ping"})
        await eventually(lambda: len(self.of_type("pong")) > before or self.closed is not None)

    def of_type(self, *types: str) -> list[Frame]:
        """The frames of some types so far."""
        return [frame for frame in self.frames if frame.get("type") in types]

    async def expect(self, frame_type: str) -> Frame:
        """Wait for the first frame of a type."""
        await eventually(lambda: bool(self.of_type(frame_type)))
        return self.of_type(frame_type)[0]

    async def until_closed(self) -> tuple[int | None, str | None]:
        """Wait for the end of the connection."""
        await eventually(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed

    @property
    def worker_id(self) -> str:
        """The id that the engine gave to this connection."""
        return str(self.frames[0]["worker_id"])

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                self._take(json.loads(message))
        except ConnectionClosed:
            pass
        self.closed = self._socket.close_code, self._socket.close_reason

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        waiting = self._pending.pop(str(frame.get("invocation_id")), None)
        if frame["type"] == "invocationresult" and waiting is not None:
            if not waiting.done():
                waiting.set_result(frame)
        elif frame["type"] == "invokefunction" and frame["function_id"] in self.handlers:
            self._spawn(self._serve(frame))

    async def _serve(self, frame: Frame) -> None:
        answer: Frame = {
            "type": "invocationresult",
            "invocation_id": frame["invocation_id"],
            "function_id": frame["function_id"],
        }
        try:
            answer["result"] = await self.handlers[frame["function_id"]](frame.get("data"), frame)
        except ValueError as error:
            answer["error"] = {"code": "invocation_failed", "message": str(error)}
        try:
            await self.send(answer)
        except ConnectionClosed:
            return


@asynccontextmanager
async def connected(
    url: str, name: str | None = None, *, token: str | None = None
) -> AsyncGenerator[Client, None]:
    """A client for a while; with a name, one that has said who it is."""
    client = Client(url, None if token is None else {"Authorization": f"Bearer {token}"})
    await client.open()
    try:
        if name is not None:
            await client.introduce(name)
        yield client
    finally:
        await client.close()
