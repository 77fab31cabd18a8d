"""The supervisor's side of the fork server: start processes, hear of their ends."""

import asyncio
import itertools
import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from agentfx.cluster._fork_server import ForkServer
from agentfx.cluster._options import (
    EngineOptions,
    ForeignOptions,
    ServicesOptions,
    WorkerOptions,
)

Options = WorkerOptions | EngineOptions | ForeignOptions | ServicesOptions


@dataclass(eq=False, slots=True)
class Child:
    """A process that the fork server made."""

    pid: int
    ended: "asyncio.Future[int]"

    async def status(self) -> int:
        """Its status, once it has ended; a wait that is cancelled does not end it for others."""
        return await asyncio.shield(self.ended)

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it with all it has started."""
        if not self.ended.done():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.signal(signal.SIGKILL)  # in case it has no group of its own yet


class Nursery:
    """Forks children, and hears when they end.

    Args:
        server: The fork server.
        on_lost: Called if it ends.
    """

    def __init__(self, server: ForkServer, on_lost: Callable[[], None]) -> None:
        self._server, self._on_lost = server, on_lost
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[int]] = {}
        self._children: dict[int, Child] = {}
        self._early: dict[int, int] = {}  # ended before it was known that they are ours

    async def start(self) -> None:
        """Listen to the fork server."""
        reader, self._writer = await asyncio.open_connection(sock=self._server.channel)
        self._listening = asyncio.ensure_future(self._listen(reader))

    async def fork(self, kind: str, options: Options) -> Child:
        """Start a process."""
        number = next(self._ids)
        loop = asyncio.get_running_loop()
        answer = self._asked[number] = loop.create_future()
        request = {"id": number, "kind": kind, "options": asdict(options)}
        self._writer.write(json.dumps(request).encode() + b"\n")
        pid = await answer
        del self._asked[number]
        child = Child(pid, loop.create_future())
        if pid in self._early:
            child.ended.set_result(self._early.pop(pid))
        else:
            self._children[pid] = child
        return child

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._hear(json.loads(line))
        self._on_lost()

    def _hear(self, message: dict[str, Any]) -> None:
        if "forked" in message:
            asked = self._asked.get(message["forked"])
            if asked is not None and not asked.done():
                asked.set_result(message["pid"])
            return
        child = self._children.pop(message["ended"], None)
        if child is None:
            self._early[message["ended"]] = message["status"]
        elif not child.ended.done():
            child.ended.set_result(message["status"])

    async def close(self) -> None:
        """End the fork server, and with it every child that is left."""
        self._listening.cancel()
        self._writer.close()
        os.close(self._server.leash)
        await asyncio.to_thread(os.waitpid, self._server.pid, 0)


async def end(children: Sequence[Child], seconds: float) -> None:
    """Let processes end by themselves, and kill those that are left after some seconds."""
    for child in children:
        child.signal(signal.SIGTERM)
    waiting = [child.ended for child in children if not child.ended.done()]
    if waiting:
        await asyncio.wait(waiting, timeout=seconds)
    for child in children:
        child.kill()
