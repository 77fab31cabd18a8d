"""Any moment of a run, from its events."""

from collections.abc import Awaitable, Callable

from agentfx.jobs import Told
from agentfx.notebook._tables import Diff
from agentfx.notebook._view import View

More = Callable[[int], Awaitable[list[Told]]]
"""Events after a number, some of them; none if there are no more yet."""


class Replay:
    """Walks through a run's events, forth and back, for one who looks at its past.

    Args:
        view: Of the run as it is now.
        more: Where events come from.
    """

    def __init__(self, view: View, more: More) -> None:
        self._now, self._more = view, more
        self._events: list[Told] = []
        self._view = view.empty()
        self._next = 0
        self._sent = 0
        self._at = 0.0

    async def at(self, seconds: float) -> Diff:
        """The moment after some seconds, as the way there from the moment given before.

        A diff from 0 has everything: the way back begins at the start.
        """
        if seconds < self._at:
            self._view, self._next, self._sent = self._now.empty(), 0, 0
        self._at = seconds
        while await self._step(seconds):
            pass
        diff = self._view.diff(self._sent) or {"from": self._sent, "to": self._sent}
        self._sent = diff["to"]
        return diff

    async def _step(self, seconds: float) -> bool:
        """Take the next event, if it is not after the moment."""
        if self._next == len(self._events):
            after = self._events[-1].seq if self._events else 0
            rows = await self._more(after)
            if not rows:
                return False
            self._events += rows
        event = self._events[self._next]
        if self._view.has_begun and self._view.when(event) > seconds:
            return False
        self._view.apply([event])
        self._next += 1
        return True

    def live(self) -> None:
        """Nobody looks at the past now: the next moment is given whole."""
        self._sent = 0
