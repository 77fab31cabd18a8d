"""Streaming channels: what one client writes another reads, through a bounded queue."""

import hmac
from collections import deque
from typing import Literal, TypeAlias

from agentfx.engine._socket import Socket

UNUSED_SECONDS = 300.0
"""How long a channel waits for its two ends."""

MAX_CHANNELS = 10_000
"""Channels that there may be; the oldest is forgotten for a new one."""

Direction: TypeAlias = Literal["read", "write"]


class Channel:
    """Messages on their way from a writer to a reader.

    The writer is held while the queue is full, and the queue fills while the reader is slow.
    """

    def __init__(self, keys: dict[str, str], capacity: int, opened_at: float) -> None:
        self.keys, self.opened_at = keys, opened_at
        self._capacity = capacity
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._ends: dict[Direction, Socket] = {}
        self._written = self._done = False

    def take(self, direction: Direction, socket: Socket) -> bool:
        """Give an end to a client; False if another has had it, or the channel has ended."""
        if direction in self._ends or self._done:
            return False
        self._ends[direction] = socket
        self.move()
        return True

    def write(self, message: bytes, *, text: bool) -> None:
        """Take a message from the writer."""
        self._queue.append((message, text))
        self.move()

    def move(self) -> None:
        """Pass on what the reader can take, and hold or release the writer."""
        reader, writer = self._ends.get("read"), self._ends.get("write")
        while self._queue and reader is not None and not reader.congested:
            message, text = self._queue.popleft()
            reader.send(message, text=text)
        if self._written and not self._queue and reader is not None:
            reader.close()
        if writer is not None and not self._written:
            full = len(self._queue) >= self._capacity
            writer.hold() if full else writer.release()

    def end(self, direction: Direction) -> bool:
        """An end is gone; whether the channel is of no more use."""
        if direction == "write":
            self._written = True
            self.move()
            return False
        self._done = True
        writer = self._ends.get("write")
        if writer is not None and not self._written:
            writer.close()
        self._queue.clear()
        return True


class ChannelEnd:
    """Talks to the client at one end of a channel; a `Receiver`."""

    def __init__(
        self, channels: "Channels", channel_id: str, channel: Channel, direction: Direction
    ) -> None:
        self._channels, self._channel_id = channels, channel_id
        self._channel = channel
        self._direction: Direction = direction
        self._taken = False

    def opened(self, socket: Socket) -> None:
        """See `Receiver.opened`."""
        self._taken = self._channel.take(self._direction, socket)
        if not self._taken:
            socket.close()

    def received(self, message: bytes, *, text: bool) -> None:
        """See `Receiver.received`."""
        if self._taken and self._direction == "write":
            self._channel.write(message, text=text)

    def drained(self) -> None:
        """See `Receiver.drained`."""
        self._channel.move()

    def closed(self) -> None:
        """See `Receiver.closed`."""
        if self._taken and self._channel.end(self._direction):
            self._channels.forget(self._channel_id)


class Channels:
    """The channels of an engine, oldest first."""

    def __init__(self) -> None:
        self._channels: dict[str, Channel] = {}

    def open(
        self, channel_id: str, writer_key: str, reader_key: str, capacity: int, now: float
    ) -> None:
        """Make a channel; to those that are old, nobody gets access any more."""
        while self._channels:
            oldest_id, oldest = next(iter(self._channels.items()))
            too_old = now - oldest.opened_at > UNUSED_SECONDS
            if not too_old and len(self._channels) < MAX_CHANNELS:
                break
            self.forget(oldest_id)
        keys = {"write": writer_key, "read": reader_key}
        self._channels[channel_id] = Channel(keys, capacity, now)

    def find(self, channel_id: str, key: str, direction: str) -> ChannelEnd | None:
        """The end that a key gives access to, None if it gives none."""
        channel = self._channels.get(channel_id)
        if channel is None or direction not in channel.keys:
            return None
        if not hmac.compare_digest(key.encode(errors="replace"), channel.keys[direction].encode()):
            return None
        way: Direction = "write" if direction == "write" else "read"
        return ChannelEnd(self, channel_id, channel, way)

    def forget(self, channel_id: str) -> None:
        """Give nobody access to a channel any more; its ends go on."""
        self._channels.pop(channel_id, None)
