"""The outgoing side of one WebSocket connection."""

import asyncio
import logging
from itertools import count

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from agentfx.wire import MAX_FRAME

SOFT_BUFFER = 4 << 20
"""Bytes waiting for a client from which on those who call it are read more slowly."""

HARD_BUFFER = 64 << 20
"""Bytes waiting for a client at which it is cut off when more is to be sent."""

STALL_SECONDS = 10.0
"""How long a client may stay above the soft bound while others wait for it."""

CLOSE_SECONDS = 1.0
"""How long a client has to answer a close frame."""

_FRAGMENT = 1 << 20
_DIRECT = 64 << 10

_log = logging.getLogger("agentfx.engine")


class Link:
    """Writes messages without waiting, at most once per turn of the loop, within a bound.

    Args:
        socket: Whose write limit is `SOFT_BUFFER`, so that it tells when it is above.
    """

    def __init__(self, socket: ServerConnection) -> None:
        self._socket, self._loop = socket, asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._closing = False

    @property
    def congested(self) -> bool:
        """Whether more waits for the client than it should."""
        return self._socket.paused

    def send(self, frame: bytes) -> None:
        """Have a message sent, as text; nothing once the connection is closing."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(frame)

    def close(self) -> None:
        """Send what waits, then a close frame without a code; a client that ignores it is cut."""
        self._closing = True
        self._loop.call_soon(self._flush)
        self._loop.call_later(CLOSE_SECONDS, self.cut)

    def cut(self) -> None:
        """Drop the connection, as the reference does."""
        self._waiting.clear()
        self._socket.transport.abort()

    async def drained(self) -> None:
        """Wait until the client has caught up; cut it off if it does not read."""
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._socket.drain()
        except TimeoutError:
            _log.warning("a client does not read, it is cut off: %s", self._socket.remote_address)
            self.cut()
        except OSError:
            return  # gone meanwhile

    def _flush(self) -> None:
        frames, self._waiting = self._waiting, []
        protocol, transport = self._socket.protocol, self._socket.transport
        if protocol.state is not State.OPEN:
            return
        for frame in frames:
            if transport.get_write_buffer_size() > HARD_BUFFER:
                _log.warning("a client reads too slowly: %s", self._socket.remote_address)
                self.cut()
                return
            if len(frame) <= MAX_FRAME:
                protocol.send_text(frame)
            else:
                self._fragment(frame)
            if len(frame) > _DIRECT:
                self._write()
        if self._closing:
            protocol.send_close()
        self._write()

    def _fragment(self, frame: bytes) -> None:
        protocol = self._socket.protocol
        protocol.send_text(frame[:_FRAGMENT], fin=False)
        for start in count(_FRAGMENT, _FRAGMENT):
            last = start + _FRAGMENT >= len(frame)
            protocol.send_continuation(frame[start : start + _FRAGMENT], fin=last)
            if last:
                return

    def _write(self) -> None:
        if data := b"".join(self._socket.protocol.data_to_send()):
            self._socket.transport.write(data)
