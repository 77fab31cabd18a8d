"""One WebSocket connection: whole messages in and out, within bounds, without tasks."""

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from itertools import count
from typing import Protocol, TypeAlias

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.server import ServerProtocol

from agentfx.wire import MAX_FRAME, MAX_MESSAGE

HANDSHAKE_SECONDS = 10.0
CLOSE_SECONDS = 1.0
"""How long a client has to answer a close frame."""

SOFT_BUFFER = 4 << 20
"""Bytes waiting for a client from which on those who write to it are read more slowly."""

HARD_BUFFER = 64 << 20
"""Bytes waiting for a client at which it is cut off when more is to be sent."""

TURN_SECONDS = 0.001
"""How long one client's messages are handled before the others get their turn."""

_SLICE = 8 << 10
_FRAGMENT = 1 << 20
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_log = logging.getLogger("agentfx.engine")
# The library's own complaints about clients; ours say who it was.
_quiet = logging.getLogger("agentfx.engine.websockets")
_quiet.setLevel(logging.CRITICAL)


class Receiver(Protocol):
    """Whoever talks to a client; all methods are called on the loop."""

    def opened(self, socket: "Socket") -> None:
        """The handshake is done."""
        ...

    def received(self, message: bytes, *, text: bool) -> None:
        """A message has come."""
        ...

    def drained(self) -> None:
        """The client has caught up after it was congested."""
        ...

    def closed(self) -> None:
        """The connection is gone."""
        ...


Refusal: TypeAlias = tuple[HTTPStatus, str]


class Door(Protocol):
    """Decides who may connect."""

    def admit(self, request: Request) -> Receiver | Refusal:
        """Who talks to the client, or why nobody does."""
        ...


class Flusher:
    """Writes what sockets have to send once per turn of the loop, each with one call."""

    def __init__(self) -> None:
        self._dirty: list[Socket] = []
        self._digesting = False

    def add(self, socket: "Socket") -> None:
        """Note that a socket has something to send."""
        if not self._dirty and not self._digesting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._dirty.append(socket)

    def begin(self) -> None:
        """Messages are being handled: what they cause is written when that ends."""
        self._digesting = True

    def end(self) -> None:
        """The messages were handled."""
        self._digesting = False
        self.flush()

    def flush(self) -> None:
        """Write everything now."""
        dirty, self._dirty = self._dirty, []
        for socket in dirty:
            socket.flush()


class Socket(asyncio.Protocol):
    """A client's connection.

    A client that sends much is handled in short turns; one that does not read is cut off
    once too much waits for it. A broken frame ends its own connection only.

    Args:
        door: Asked once the client has said what it wants.
        flusher: Shared by the sockets of a server.
        others: The open sockets of a server, this one included while it is open.
    """

    def __init__(self, door: Door, flusher: Flusher, others: "set[Socket]") -> None:
        self._door, self._flusher, self._others = door, flusher, others
        self._loop = asyncio.get_running_loop()
        self._protocol = ServerProtocol(max_size=(MAX_MESSAGE, MAX_FRAME), logger=_quiet)
        self._receiver: Receiver | None = None
        self._backlog: deque[memoryview] = deque()
        self._events: deque[Event] = deque()
        self._partial, self._partial_text = bytearray(), True
        self._outgoing: list[tuple[bytes, bool]] = []
        self._held = self._resting = self._closing = False
        self.congested = False
        self.gone = asyncio.Event()

    @property
    def ip_address(self) -> str | None:
        """Where the client is."""
        peer: tuple[str, int] | None = self._transport.get_extra_info("peername")
        return peer[0] if peer else None

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the client."""
        return self._transport.get_write_buffer_size()

    def send(self, message: bytes, *, text: bool = True) -> None:
        """Have a message sent; nothing once the connection is closing."""
        if not self._outgoing:
            self._flusher.add(self)
        self._outgoing.append((message, text))

    def close(self) -> None:
        """Send what waits, then a close frame without a code; a client that ignores it is cut."""
        self._closing = True
        self._flusher.add(self)
        self._loop.call_later(CLOSE_SECONDS, self.cut)

    def cut(self) -> None:
        """Drop the connection at once."""
        self._outgoing.clear()
        self._backlog.clear()
        self._events.clear()
        self._transport.abort()

    def hold(self) -> None:
        """Read no more from the client for now."""
        self._held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        self._held = False
        self._go_on()

    def flush(self) -> None:
        """Write what waits to be sent."""
        outgoing, self._outgoing = self._outgoing, []
        if self._protocol.state is not State.OPEN:
            return
        for message, text in outgoing:
            if self.waiting_bytes > HARD_BUFFER:
                _log.warning("a client reads too slowly and is cut off: %s", self.ip_address)
                self.cut()
                return
            self._put(message, text)
        if self._closing:
            self._protocol.send_close()
        self._write()

    def _put(self, message: bytes, text: bool) -> None:
        send = self._protocol.send_text if text else self._protocol.send_binary
        if len(message) <= MAX_FRAME:
            send(message)
        else:
            send(message[:_FRAGMENT], fin=False)
            for start in count(_FRAGMENT, _FRAGMENT):
                last = start + _FRAGMENT >= len(message)
                self._protocol.send_continuation(message[start : start + _FRAGMENT], fin=last)
                if last:
                    break
        if len(message) > _FRAGMENT:
            self._write()  # so that the bound counts it before the next one

    def _write(self) -> None:
        pieces = self._protocol.data_to_send()
        if data := b"".join(pieces):
            self._transport.write(data)
        if pieces and not pieces[-1]:  # both have said goodbye
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol.connection_made`."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self._transport = transport
        self._others.add(self)
        transport.set_write_buffer_limits(high=SOFT_BUFFER)
        self._deadline = self._loop.call_later(HANDSHAKE_SECONDS, self.cut)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        self._backlog.append(memoryview(data))
        if not self._held and not self._resting:
            self._digest()

    def eof_received(self) -> None:
        """See `asyncio.Protocol.eof_received`; the transport closes itself."""
        self._protocol.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol.connection_lost`."""
        self._others.discard(self)
        self._deadline.cancel()
        self._protocol.receive_eof()
        receiver, self._receiver = self._receiver, None
        self._backlog.clear()
        self._events.clear()
        self.gone.set()
        if receiver is not None:
            receiver.closed()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol.pause_writing`."""
        self.congested = True

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol.resume_writing`."""
        self.congested = False
        if self._receiver is not None:
            self._receiver.drained()

    # Incoming messages, in turns

    def _digest(self) -> None:
        self._resting = False
        ends = self._loop.time() + TURN_SECONDS
        self._flusher.begin()
        try:
            while not self._held and (self._events or self._backlog):
                if self._events:
                    self._take(self._events.popleft())
                else:
                    self._parse(self._next_slice())
                if self._loop.time() > ends:
                    break
        finally:
            self._flusher.end()
        self._go_on()

    def _go_on(self) -> None:
        """Handle the rest in the next turn of the loop, and read no more before that is done."""
        if self._events or self._backlog:
            self._transport.pause_reading()
            if not self._held and not self._resting:
                self._resting = True
                self._loop.call_soon(self._digest)
        elif not self._held:
            self._transport.resume_reading()

    def _next_slice(self) -> bytes:
        data = self._backlog.popleft()
        if len(data) > _SLICE:
            self._backlog.appendleft(data[_SLICE:])
        return bytes(data[:_SLICE])

    def _parse(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._events += self._protocol.events_received()
        if self._protocol.state is not State.OPEN:
            while self._events:  # the client's last words, before it is gone
                self._take(self._events.popleft())
        self._write()
        # A frame beyond the limit, or none at all: do not read the rest politely. Neither go on
        # answering the pings of somebody who does not read the answers.
        if self._protocol.parser_exc is not None or self.waiting_bytes > HARD_BUFFER:
            self.cut()

    def _take(self, event: Event) -> None:
        if isinstance(event, Request):
            self._shake_hands(event)
        elif isinstance(event, Frame) and event.opcode in _DATA:
            self._assemble(event)

    def _shake_hands(self, request: Request) -> None:
        self._deadline.cancel()
        admitted = self._door.admit(request)
        if isinstance(admitted, tuple):
            self._protocol.send_response(self._protocol.reject(*admitted))
        else:
            response = self._protocol.accept(request)
            self._protocol.send_response(response)
            if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                self._receiver = admitted
                admitted.opened(self)

    def _assemble(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._partial_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._hand_over(bytes(frame.data))
                return
        self._partial += frame.data
        if frame.fin:
            message, self._partial = bytes(self._partial), bytearray()
            self._hand_over(message)

    def _hand_over(self, message: bytes) -> None:
        if self._receiver is not None:
            self._receiver.received(message, text=self._partial_text)
