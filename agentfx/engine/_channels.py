"""Streaming channels: what one client writes another reads, through a bounded queue."""

import asyncio
import hmac
from dataclasses import dataclass, field
from typing import TypeAlias

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

UNUSED_SECONDS = 300.0
"""How long a channel waits for its two ends."""

_Item: TypeAlias = str | bytes | None


@dataclass(slots=True, eq=False)
class _Channel:
    writer_key: str
    reader_key: str
    opened_at: float
    queue: asyncio.Queue[_Item]
    taken: set[str] = field(default_factory=set[str])
    reader_gone: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class ChannelEnd:
    """One end of a channel: `read` or `write`."""

    channel_id: str
    direction: str


class Channels:
    """The channels of an engine."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}

    def open(
        self, channel_id: str, writer_key: str, reader_key: str, capacity: int, now: float
    ) -> None:
        """Make a channel; those that nobody has used for long are dropped meanwhile."""
        for stale_id, stale in list(self._channels.items()):
            if now - stale.opened_at > UNUSED_SECONDS and len(stale.taken) < 2:
                self._end(stale_id, stale)
        queue: asyncio.Queue[_Item] = asyncio.Queue(capacity)
        self._channels[channel_id] = _Channel(writer_key, reader_key, now, queue)

    def find(self, channel_id: str, key: str, direction: str) -> ChannelEnd | None:
        """The end that a key gives access to, None if it gives none."""
        channel = self._channels.get(channel_id)
        if channel is None or direction not in ("read", "write"):
            return None
        expected = channel.writer_key if direction == "write" else channel.reader_key
        if not hmac.compare_digest(key.encode(), expected.encode()):
            return None
        return ChannelEnd(channel_id, direction)

    async def run(self, end: ChannelEnd, socket: ServerConnection) -> None:
        """Serve one end until it closes; each is served once."""
        channel = self._channels.get(end.channel_id)
        if channel is None or end.direction in channel.taken:
            return
        channel.taken.add(end.direction)
        try:
            if end.direction == "write":
                await _take_in(channel, socket)
            else:
                await _give_out(channel, socket)
        finally:
            if end.direction == "read":
                self._end(end.channel_id, channel)

    def _end(self, channel_id: str, channel: _Channel) -> None:
        self._channels.pop(channel_id, None)
        channel.reader_gone.set()


async def _take_in(channel: _Channel, socket: ServerConnection) -> None:
    async with asyncio.TaskGroup() as group:
        reader_gone = group.create_task(channel.reader_gone.wait())
        copying = group.create_task(_copy(channel, socket))
        await asyncio.wait((reader_gone, copying), return_when=asyncio.FIRST_COMPLETED)
        reader_gone.cancel()
        copying.cancel()


async def _copy(channel: _Channel, socket: ServerConnection) -> None:
    try:
        async for message in socket:
            await channel.queue.put(message)
    except ConnectionClosed:
        pass
    await channel.queue.put(None)


async def _give_out(channel: _Channel, socket: ServerConnection) -> None:
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(socket.wait_closed())
        sending = group.create_task(_send_all(channel, socket))
        await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        sending.cancel()


async def _send_all(channel: _Channel, socket: ServerConnection) -> None:
    try:
        while (message := await channel.queue.get()) is not None:
            await socket.send(message)
    except ConnectionClosed:
        return
