"""The supervisor's socket: requests as JSON, one a line.

An attached user keeps its connection open; when it closes without a goodbye, its process died.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentfx._errors import AgentfxError


class ControlError(AgentfxError):
    """The supervisor cannot do what it was asked."""


@dataclass(eq=False, slots=True)
class User:
    """One connection to the supervisor."""

    attached: bool = False
    said_goodbye: bool = False


Serve = Callable[[User, dict[str, Any]], Awaitable[Any]]


class ControlServer:
    """Serves the socket.

    Args:
        path: Of the socket, in a folder of its owner alone.
        serve: Answers a request; raises `ControlError` to refuse it.
        left: Called when a user says goodbye, and when a connection has closed.
    """

    def __init__(self, path: Path, serve: Serve, left: Callable[[User], None]) -> None:
        self._path, self._serve, self._left = path, serve, left
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._path.unlink(missing_ok=True)  # the home's lock is ours: what is there is left over
        self._server = await asyncio.start_unix_server(self._accept, self._path)
        os.chmod(self._path, 0o600)  # noqa: PTH101 - a socket's path, not opened

    async def stop(self) -> None:
        """Stop listening, and close what is open."""
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        if me is not None:
            self._connections.add(me)
            me.add_done_callback(self._connections.discard)
        user = User()
        try:
            async with asyncio.TaskGroup() as group:
                while line := await reader.readline():
                    group.create_task(self._answer(user, writer, line))
        except asyncio.CancelledError:
            return  # by `stop`: nobody waits for this task, and the stream would log its end
        finally:
            writer.close()
            self._left(user)

    async def _answer(self, user: User, writer: asyncio.StreamWriter, line: bytes) -> None:
        request = json.loads(line)
        answer: dict[str, Any] = {"id": request.get("id")}
        if request.get("op") == "goodbye":
            user.said_goodbye = True
            self._left(user)  # before the answer: whoever has it may rely on that
        else:
            try:
                answer["result"] = await self._serve(user, request)
            except ControlError as error:
                answer["error"] = str(error)
        with suppress(ConnectionError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()


class ControlClient:
    """A user's connection to the supervisor."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._listening = asyncio.ensure_future(self._listen())

    @classmethod
    async def connect(cls, path: str) -> "ControlClient":
        """Connect to a supervisor.

        Raises:
            OSError: None listens there.
        """
        return cls(*await asyncio.open_unix_connection(path))

    async def ask(self, op: str, **arguments: Any) -> Any:
        """Make a request.

        Raises:
            ControlError: It was refused, or the supervisor is gone.
        """
        if self._listening.done():  # nobody would hear an answer
            raise ControlError("the cluster's supervisor is gone")
        self._count += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._count] = future
        request = {"id": self._count, "op": op, **arguments}
        try:
            self._writer.write(json.dumps(request).encode() + b"\n")
            await self._writer.drain()
        except ConnectionError as error:
            if not future.cancel():  # it may have failed already: then nobody misses that
                future.exception()
            raise ControlError("the cluster's supervisor is gone") from error
        return await future

    async def _listen(self) -> None:
        with suppress(ConnectionError):
            while line := await self._reader.readline():
                answer = json.loads(line)
                future = self._waiting.pop(answer["id"], None)
                if future is not None and not future.done():
                    if "error" in answer:
                        future.set_exception(ControlError(answer["error"]))
                    else:
                        future.set_result(answer.get("result"))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ControlError("the cluster's supervisor is gone"))

    async def closed(self) -> None:
        """Wait until the supervisor has closed the connection."""
        await asyncio.shield(self._listening)

    async def close(self) -> None:
        """Say goodbye, and close."""
        with suppress(ControlError):
            await self.ask("goodbye")
        self._writer.close()
        self._listening.cancel()
