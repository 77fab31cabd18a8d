"""Messages to drivers and workers: what one tick of the loop has goes out in one frame."""

import asyncio
from collections.abc import Callable

from agentfx.services._host import Host
from agentfx.wire import Json, packed

FRAME_BYTES = 4 * 1024 * 1024
FRAME_ITEMS = 256
LATE_SECONDS = 0.25


class Outbox:
    """Collects lists by function and key, and sends them when the loop comes round.

    Args:
        host: Where to send.
        extra: Put into every message, such as the generation of the services.
    """

    def __init__(self, host: Host, extra: Callable[[], dict[str, Json]]) -> None:
        self._host, self._extra = host, extra
        self._waiting: dict[str, dict[str, list[Json]]] = {}
        self._sizes: dict[str, int] = {}
        self._urgent: set[str] = set()
        self._scheduled = False
        self._late = False

    def add(self, function_id: str, key: str, item: Json, size: int = 100) -> None:
        """Send an item with whatever else goes to this function now.

        Args:
            function_id: Who gets it.
            key: Under which list of the message it goes.
            item: Any JSON value.
            size: About how many bytes it takes.
        """
        message = self._waiting.setdefault(function_id, {})
        message.setdefault(key, []).append(item)
        self._sizes[function_id] = self._sizes.get(function_id, 0) + size
        if self._sizes[function_id] > FRAME_BYTES or len(message[key]) >= FRAME_ITEMS:
            self._send(function_id)
        else:
            self._urgent.add(function_id)
            if not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._flush)

    def add_late(self, function_id: str, key: str, item: Json) -> None:
        """Send an item with the next message to this function, or some time later."""
        message = self._waiting.setdefault(function_id, {})
        items = message.setdefault(key, [])
        items.append(item)
        self._sizes.setdefault(function_id, 0)
        if len(items) >= FRAME_ITEMS:
            self._send(function_id)
        elif not self._late:
            self._late = True
            asyncio.get_running_loop().call_later(LATE_SECONDS, self._flush_late)

    def _flush_late(self) -> None:
        self._late = False
        for function_id in list(self._waiting):
            self._send(function_id)

    def take_back(self, function_id: str, key: str, is_it: Callable[[Json], bool]) -> bool:
        """Drop an item that still waits; False if there is none such."""
        items = self._waiting.get(function_id, {}).get(key, [])
        found = next((item for item in items if is_it(item)), None)
        if found is None:
            return False
        items.remove(found)
        return True

    def forget(self, function_id: str) -> None:
        """Drop what waits for somebody who is gone."""
        self._waiting.pop(function_id, None)
        self._sizes.pop(function_id, None)
        self._urgent.discard(function_id)

    def _flush(self) -> None:
        self._scheduled = False
        for function_id in list(self._urgent):
            self._send(function_id)

    def _send(self, function_id: str) -> None:
        lists = self._waiting.pop(function_id)
        texts = {key: packed(items) for key, items in lists.items()}
        message: dict[str, Json] = {**texts, **self._extra()}
        del self._sizes[function_id]
        self._urgent.discard(function_id)
        self._host.send(function_id, message, unanswered=True)
