"""What streams and fences need of an interpreter: notes that outlive a driver, and fences."""

from dataclasses import dataclass
from threading import Lock
from typing import ClassVar, Protocol, TypeAlias

from agentfx.interpreters._observe import Events
from agentfx.jobs import SHARED_FENCES
from agentfx.streams import Claim, Verdict, claimed, decide, epoch_of, raised

HIDDEN = "~"
"""Ends the paths of notes that no event tells of."""
Place: TypeAlias = tuple[str, str]
"""Where a fence lies: scope and key of the state."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is put on record at a path: a line for people, and a value."""

    path: str
    line: str
    value: str = ""


class Tape(Protocol):
    """Notes of a run, by path, and the fences that it uses.

    Attributes:
        identity: Of the run in this life.
    """

    identity: str

    def noted(self, path: str, kind: str) -> str | None:
        """The value that an earlier driver noted at a path, by a line that begins so.

        Raises:
            NonDeterminismError: It noted something else there.
        """
        ...

    async def note(self, *notes: Note) -> None:
        """Put notes on record; nothing that depends on them happens before."""
        ...

    async def raise_fence(self, place: Place, by: int) -> int:
        """Begin as many new epochs, by one atomic update; the number of the last."""
        ...

    async def claim(self, place: Place, epoch: int, step: str, claimant: str) -> Verdict:
        """Claim an effect, by one atomic update."""
        ...

    async def drop_fence(self, place: Place) -> None:
        """Forget a fence; whoever still has an epoch of it is refused."""
        ...


class MemoryTape:
    """Notes that nobody reads again; fences of this run, and of this process."""

    _shared: ClassVar[dict[Place, dict[str, object] | None]] = {}
    _lock: ClassVar[Lock] = Lock()  # runs may be driven on several threads

    def __init__(self, identity: str, events: Events) -> None:
        self.identity, self._events = identity, events
        self._own: dict[Place, dict[str, object] | None] = {}

    def noted(self, path: str, kind: str) -> str | None:
        """See `Tape.noted`."""
        return None

    async def note(self, *notes: Note) -> None:
        """See `Tape.note`."""
        for note in notes:
            if not note.path.endswith(HIDDEN):
                self._events.emit("step_done", path=note.path, label=note.line)

    def _fences(self, place: Place) -> dict[Place, dict[str, object] | None]:
        return self._shared if place[0] == SHARED_FENCES else self._own

    async def raise_fence(self, place: Place, by: int) -> int:
        """See `Tape.raise_fence`."""
        with self._lock:
            fences = self._fences(place)
            fences[place] = after = raised(fences.get(place), by)
        return epoch_of(after)

    async def claim(self, place: Place, epoch: int, step: str, claimant: str) -> Verdict:
        """See `Tape.claim`."""
        wish = Claim(claimant, 1)
        with self._lock:
            fences = self._fences(place)
            before = fences.get(place)
            fences[place] = claimed(before, epoch, step, wish)
        return decide(before, epoch, step, wish)

    async def drop_fence(self, place: Place) -> None:
        """See `Tape.drop_fence`."""
        self._own.pop(place, None)
