"""A tape on an engine: notes in the journal, fences in state."""

from agentfx.interpreters._backend import Backend, JournalStep
from agentfx.interpreters._journal import Journal
from agentfx.interpreters._tape import Note, Place
from agentfx.jobs import SHARED_FENCES
from agentfx.streams import Claim, Verdict, claim_operations, decide, epoch_of, raise_operations


class JournalTape:
    """Notes in the journal, fences in state.

    Args:
        backend: Where state is.
        journal: Of the run.
        identity: Of the run in this life.
        epoch: Of this driver.
    """

    def __init__(self, backend: Backend, journal: Journal, identity: str, epoch: int) -> None:
        self.identity = identity
        self._backend, self._journal, self._epoch = backend, journal, epoch

    def noted(self, path: str, kind: str) -> str | None:
        """See `Tape.noted`."""
        return self._journal.noted(path, kind)

    async def note(self, *notes: Note) -> None:
        """See `Tape.note`."""
        await self._journal.put_all([JournalStep(n.path, n.line, n.value) for n in notes])

    async def raise_fence(self, place: Place, by: int) -> int:
        """See `Tape.raise_fence`."""
        before = await self._backend.update_state(*place, raise_operations(by))
        return epoch_of(before) + by

    async def claim(self, place: Place, epoch: int, step: str, claimant: str) -> Verdict:
        """See `Tape.claim`."""
        wish = Claim(claimant, self._epoch)
        before = await self._backend.update_state(*place, claim_operations(epoch, step, wish))
        if before is None and place[0] != SHARED_FENCES:
            # The stream is over: its fence is gone, and stays so.
            await self._backend.delete_state(*place)
        return decide(before, epoch, step, wish)

    async def drop_fence(self, place: Place) -> None:
        """See `Tape.drop_fence`."""
        await self._backend.delete_state(*place)
