"""Events of a run in this process, for whoever watches it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from agentfx._clock import Clock
from agentfx.algebra import Exit, Ok

if TYPE_CHECKING:
    from agentfx.jobs._event import Event, EventType

Observer: TypeAlias = Callable[["Event"], None]


def failure_line(exit_: Exit[Any, Any]) -> str | None:
    """How an event tells of a failure; None for a success."""
    return None if isinstance(exit_, Ok) else repr(exit_.error)


class Events:
    """Numbers events and hands them to an observer; without one it does nothing."""

    def __init__(self, run_id: str, clock: Clock, observer: Observer | None) -> None:
        self._run, self._clock, self._observer = run_id, clock, observer
        self._seq = 0

    def emit(self, event_type: "EventType", **fields: Any) -> None:
        """Report that something happened."""
        if self._observer is None:
            return
        from agentfx.jobs._event import Event

        self._seq += 1
        at = self._clock.wall()
        self._observer(Event(seq=self._seq, at=at, run=self._run, type=event_type, **fields))
