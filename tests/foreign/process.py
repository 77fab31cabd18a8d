"""Engines and services in processes of their own, to be killed."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from secrets import token_urlsafe

from agentfx.cluster import EngineOptions, ServicesOptions
from agentfx.cluster._port import free_port
from agentfx.cluster._services_process import serve
from tests.waiting import eventually

START_SECONDS = 60.0
"""On a machine with much else to do an interpreter takes its time."""


class Process:
    """An engine or services that run until somebody ends them.

    Args:
        options: How to run it.
        log: Where its output goes.
    """

    def __init__(self, options: EngineOptions | ServicesOptions, log: Path) -> None:
        kind = "engine" if isinstance(options, EngineOptions) else "services"
        text = json.dumps(asdict(options))
        self._command = [sys.executable, "-m", "tests.foreign.child", kind, text]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("III_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    @property
    def output(self) -> str:
        """What it has printed, in all of its lives."""
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait until it has ended; its exit status."""
        process = self._process
        assert process is not None
        await eventually(lambda: process.poll() is not None, START_SECONDS)
        return int(process.returncode)

    def end(self) -> None:
        """End it the hard way, if it has not ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class ForeignEngine(Process):
    """An engine without services, as somebody else's would be."""

    def __init__(self, folder: Path) -> None:
        self._held, self.token = free_port(None), token_urlsafe(12)
        self.port = self._held.number
        options = EngineOptions(str(folder), self.port, self.token, services=False)
        super().__init__(options, folder / "engine.log")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End it for good."""
        self.end()
        self._held.close()

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def up(self) -> None:
        """Start it, and wait until it listens."""
        self.start()
        try:
            await eventually(self.listens, START_SECONDS)
        except TimeoutError:
            self.close()
            raise


def services(url: str, token: str | None, home: Path) -> Process:
    """Services for an engine, with a store of their own; not started yet."""
    return Process(ServicesOptions(str(home), url, token), home.with_suffix(".log"))


@asynccontextmanager
async def serving(url: str, token: str | None, home: Path) -> AsyncGenerator[None]:
    """Services within this process, while they last."""
    leave = asyncio.Event()
    options = ServicesOptions(str(home), url, token)
    running = asyncio.ensure_future(serve(options, leave))
    try:
        yield
    finally:
        leave.set()
        assert await running == 0


class Cable:
    """A way to an engine that can be cut; who goes over it may connect again at once.

    Args:
        port: Of the engine, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Cable":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def cut(self) -> None:
        """Close every link, without a goodbye."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._ends |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            pipe = asyncio.ensure_future(_pump(source, sink))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()
