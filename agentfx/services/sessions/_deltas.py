"""Text of model calls under way, for whoever watches: beside the log, never the truth."""

from dataclasses import dataclass, field

from agentfx.services._signal import Signal
from agentfx.wire import Json

KEPT_PARTS = 20_000


@dataclass(slots=True)
class Live:
    """What is known of one session only while somebody looks.

    Attributes:
        attempt: The model call under way; parts of an earlier one are void.
        parts: What it has said so far.
        changed: Given when there is something new to see.
        rested: Given when the session may be idle.
    """

    attempt: str = ""
    parts: list[Json] = field(default_factory=list[Json])
    changed: Signal = field(default_factory=Signal)
    rested: Signal = field(default_factory=Signal)

    def take(self, attempt: str, parts: list[Json]) -> None:
        """More text of an attempt; the first of a new one voids what there was."""
        if attempt != self.attempt:
            self.attempt, self.parts = attempt, []
        if len(self.parts) < KEPT_PARTS:
            self.parts += parts
        self.notify()

    def void(self, attempt: str) -> None:
        """An attempt came to nothing, or is in the log now."""
        if attempt == self.attempt:
            self.attempt, self.parts = "", []
            self.notify()

    def after(self, attempt: str, delta: int) -> list[Json]:
        """The parts that a watcher has not seen."""
        return self.parts[delta:] if attempt == self.attempt else list(self.parts)

    def notify(self, *, busy: bool = True) -> None:
        """Wake who watches and, unless it is still busy, who waits for the session to be idle."""
        self.changed.give()
        if not busy:
            self.rested.give()
