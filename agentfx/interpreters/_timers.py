"""The silences that the stages of a stream wait for."""

import asyncio

from agentfx._clock import Clock
from agentfx.interpreters._mailbox import Event, Key, Mailbox
from agentfx.streams import Arm, Disarm


class Timers:
    """Tells when nothing has followed an item for as long as its stage wants.

    Args:
        clock: The time.
        group: Owns the waiting.
        mailbox: Told.
    """

    def __init__(self, clock: Clock, group: asyncio.TaskGroup, mailbox: Mailbox) -> None:
        self._clock, self._group, self._mailbox = clock, group, mailbox
        self._armed: dict[Key, Arm] = {}
        self._waiting: dict[Key, asyncio.Task[None]] = {}
        self._live = False

    def set(self, action: Arm | Disarm) -> None:
        """Do what a stage wants; while a record is replayed nothing waits."""
        key = (action.stage, action.number)
        if isinstance(action, Arm):
            self._armed[key] = action
            if self._live:
                self._wait(action)
            return
        self._armed.pop(key, None)
        if (timer := self._waiting.pop(key, None)) is not None:
            timer.cancel()

    def fired(self, key: Key) -> None:
        """The silence after an item was told, now or by an earlier driver."""
        self._armed.pop(key, None)
        self._waiting.pop(key, None)

    def go_live(self) -> None:
        """From here on wait; what the record has left armed waits anew."""
        self._live = True
        for arm in self._armed.values():
            self._wait(arm)

    def _wait(self, arm: Arm) -> None:
        key = (arm.stage, arm.number)

        async def tell() -> None:
            await self._clock.sleep(arm.seconds)
            self._mailbox.tell(Event("silent", key))

        self._waiting[key] = self._group.create_task(tell())
