"""What happens in a stream: told as it happens, taken in batches, noted as text."""

import asyncio
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

Key: TypeAlias = tuple[int, int]
"""Stage and number of an item."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `text` for an item."""

    kind: str
    key: Key = (0, 0)
    text: str = ""


_BROKEN = Event("broken")
"""Something was cancelled that nobody had asked to stop: so is the stream."""


class Mailbox:
    """Events that have happened and are not taken yet, in their order."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def tell(self, event: Event) -> None:
        """Something has happened."""
        self._events.put_nowait(event)

    async def batch(self) -> list[Event]:
        """All that has happened since; waits for the first of it.

        Raises:
            asyncio.CancelledError: What ran under `breaking` was broken off.
        """
        batch = [await self._events.get()]
        while not self._events.empty():
            batch.append(self._events.get_nowait())
        if _BROKEN in batch:
            raise asyncio.CancelledError
        return batch

    @contextmanager
    def breaking(self) -> Generator[None, None, None]:
        """Tell of a cancellation that nobody asked for: code of the user raised it by itself."""
        try:
            yield
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                self.tell(_BROKEN)
            raise


def encode_batch(batch: Sequence[Event]) -> str:
    """A batch as it is noted."""
    return json.dumps([[event.kind, *event.key, event.text] for event in batch])


def decode_batch(note: str) -> list[Event]:
    """A batch that was noted."""
    rows: list[tuple[str, int, int, str]] = json.loads(note)
    return [Event(kind, (stage, number), text) for kind, stage, number, text in rows]
