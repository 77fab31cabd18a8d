"""The meaning of a fan-out, as decisions: what starts, what is cancelled, how it ends."""

from typing import Any

from agentfx.algebra import Err, Exit, Ok


class FanOut:
    """A sliding window over items in order; the failure of the lowest index wins.

    After a failure at i nothing new starts, started items below i finish, and those above are
    cancelled. Items start in order, so all below i have started: the exit does not depend on
    which of two failing items happened to end first.
    """

    def __init__(self, count: int, concurrency: int) -> None:
        self._count, self._width = count, concurrency
        self._next = 0
        self._running: set[int] = set()
        self._values: list[Any] = [None] * count
        self._failure: tuple[int, Err[Any]] | None = None

    def start(self) -> range:
        """The items to start now."""
        if self._failure is not None:
            return range(0)
        first = self._next
        self._next = min(self._count, first + self._width - len(self._running))
        started = range(first, self._next)
        self._running.update(started)
        return started

    def end(self, index: int, exit_: Exit[Any, Any]) -> list[int]:
        """Take note of an item's exit; the items to cancel now."""
        if index not in self._running:  # cancelled: its exit does not count any more
            return []
        self._running.discard(index)
        if isinstance(exit_, Ok):
            self._values[index] = exit_.value
            return []
        # Everything above an earlier failure was cancelled, so this index is the lowest yet.
        self._failure = (index, exit_)
        cancelled = sorted(i for i in self._running if i > index)
        self._running.difference_update(cancelled)
        return cancelled

    @property
    def exit(self) -> Exit[list[Any], Any] | None:
        """How the fan-out ends, None while items run."""
        if self._running:
            return None
        if self._failure is not None:
            return self._failure[1]
        return Ok(self._values) if self._next == self._count else None
