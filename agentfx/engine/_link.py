"""The engine's side of a worker's connection."""

import asyncio
import logging
from typing import Protocol

from agentfx.engine._socket import Socket
from agentfx.engine._state import Connection
from agentfx.wire import DecodeError, ToEngine, decode

STALL_SECONDS = 5.0
"""How long a worker that others wait for may go without reading anything."""

_log = logging.getLogger("agentfx.engine")


class Switchboard(Protocol):
    """Where workers' messages go."""

    def connected(self, link: "WorkerLink") -> Connection:
        """A worker has connected."""
        ...

    def received(self, link: "WorkerLink", message: ToEngine) -> None:
        """A worker has said something."""
        ...

    def disconnected(self, link: "WorkerLink") -> None:
        """A worker's connection is gone."""
        ...


class WorkerLink:
    """Talks to a worker; a `Receiver`.

    Attributes:
        socket: Its connection, once it is open.
        connection: What the routing knows of it, the same.
    """

    socket: Socket
    connection: Connection

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._dropped = 0
        self._drained = asyncio.Event()

    def opened(self, socket: Socket) -> None:
        """See `Receiver.opened`."""
        self.socket = socket
        self.connection = self._switchboard.connected(self)

    def received(self, message: bytes, *, text: bool) -> None:
        """See `Receiver.received`."""
        try:
            decoded = decode(message)
        except DecodeError as error:
            self._dropped += 1
            self._report(message, error)
        else:
            self._switchboard.received(self, decoded)

    def drained(self) -> None:
        """See `Receiver.drained`."""
        self._drained.set()

    def closed(self) -> None:
        """See `Receiver.closed`."""
        self._drained.set()
        self._switchboard.disconnected(self)

    async def caught_up(self) -> None:
        """Wait until the worker has read what waits for it; cut it off if it reads nothing."""
        while self.socket.congested and not self.socket.gone.is_set():
            self._drained.clear()
            before = self.socket.waiting_bytes
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await self._drained.wait()
            except TimeoutError:
                if self.socket.waiting_bytes >= before:
                    _log.warning("a worker does not read and is cut off: %s", self.connection.id)
                    self.socket.cut()
                    return

    def _report(self, message: bytes, error: DecodeError) -> None:
        # A client that sends nothing else must not fill the log: the first, 2nd, 4th, 8th …
        if message.strip() and not self._dropped & (self._dropped - 1):
            text = "frame %d of %s that cannot be decoded: %s: %.200r"
            _log.warning(text, self._dropped, self.connection.id, error, message)
