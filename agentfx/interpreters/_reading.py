"""Reading the source of a stream, no further than the stream keeps up."""

import asyncio
from typing import Any

from agentfx.algebra import Arriving
from agentfx.interpreters._mailbox import Event, Mailbox
from agentfx.interpreters._scope import Step
from agentfx.interpreters._source import read_source
from agentfx.interpreters._values import decode_step, encode_step
from agentfx.streams import Flow

MOST_BACKLOG = 64
"""Items that may wait for effects to end before the source is read no further."""


class Reading:
    """Tells of each item of a source, and of its end.

    Args:
        step: The stream's.
        source: What to read.
        flow: Says whether items are wanted, and how many wait.
        group: Owns the task that reads.
        mailbox: Told.
    """

    def __init__(
        self,
        step: Step,
        source: Arriving[Any],
        flow: Flow,
        group: asyncio.TaskGroup,
        mailbox: Mailbox,
    ) -> None:
        self._step, self._source, self._flow = step, source, flow
        self._group, self._mailbox = group, mailbox
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._items = 0

    def item(self, text: str) -> Any:
        """The value of the next item that is on record."""
        self._items += 1
        return decode_step(self._step, self._source, text)

    def begin(self) -> None:
        """Read what is not on record, if anything of it is wanted."""
        if self._flow.wants_items:
            self._task = self._group.create_task(self._read())

    def keep_up(self) -> None:
        """After a batch was taken: stop if nothing more is wanted, go on if few items wait."""
        if self._task is not None and not self._flow.wants_items:
            self._task.cancel()
        if self._flow.backlog < MOST_BACKLOG:
            self._room.set()

    async def _read(self) -> None:
        with self._mailbox.breaking():
            if await read_source(self._source, self._items, self._take):
                self._mailbox.tell(Event("closed"))

    async def _take(self, item: Any) -> bool:
        self._room.clear()
        self._mailbox.tell(Event("item", text=encode_step(self._step, self._source, item)))
        await self._room.wait()  # until it is taken, and not too many wait
        return self._flow.wants_items
