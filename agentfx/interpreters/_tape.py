"""What streams and fences need of an interpreter: notes that outlive a driver, and fences."""

from typing import Protocol

from agentfx.interpreters._observe import Events
from agentfx.streams import Claim, Verdict, claimed, decide, epoch_of, raised

HIDDEN = "~"
"""Ends the paths of notes that no event tells of."""


class Tape(Protocol):
    """Notes of a run, by path, and the fences that it uses.

    Attributes:
        identity: Of the run in this life.
    """

    identity: str

    def noted(self, path: str) -> tuple[str, str] | None:
        """What an earlier driver noted: a line for people, and a value."""
        ...

    async def note(self, path: str, line: str, value: str = "") -> None:
        """Put a note on record; nothing that depends on it happens before."""
        ...

    async def raise_fence(self, key: str) -> int:
        """Begin a new epoch, by one atomic update; its number."""
        ...

    async def claim(self, key: str, epoch: int, step: str, claimant: str) -> Verdict:
        """Claim an effect, by one atomic update."""
        ...

    async def drop_fence(self, key: str) -> None:
        """Forget a fence; whoever still has an epoch of it is refused."""
        ...


class MemoryTape:
    """Notes that nobody reads again, and fences of this run."""

    def __init__(self, identity: str, events: Events) -> None:
        self.identity, self._events = identity, events
        self._fences: dict[str, dict[str, object] | None] = {}

    def noted(self, path: str) -> tuple[str, str] | None:
        """See `Tape.noted`."""
        return None

    async def note(self, path: str, line: str, value: str = "") -> None:
        """See `Tape.note`."""
        if not path.endswith(HIDDEN):
            self._events.emit("step_done", path=path, label=line)

    async def raise_fence(self, key: str) -> int:
        """See `Tape.raise_fence`."""
        self._fences[key] = after = raised(self._fences.get(key))
        return epoch_of(after)

    async def claim(self, key: str, epoch: int, step: str, claimant: str) -> Verdict:
        """See `Tape.claim`."""
        before, wish = self._fences.get(key), Claim(claimant, 1)
        self._fences[key] = claimed(before, epoch, step, wish)
        return decide(before, epoch, step, wish)

    async def drop_fence(self, key: str) -> None:
        """See `Tape.drop_fence`."""
        self._fences.pop(key, None)
