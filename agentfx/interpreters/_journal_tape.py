"""A tape on an engine: notes in the journal, fences in state."""

from agentfx.interpreters._backend import Backend
from agentfx.interpreters._journal import Journal
from agentfx.streams import Claim, Verdict, claim_operations, decide, epoch_of, raise_operations

_SCOPE = "agentfx-fence"


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

    def noted(self, path: str) -> tuple[str, str] | None:
        """See `Tape.noted`."""
        return self._journal.recorded(path)

    async def note(self, path: str, line: str, value: str = "") -> None:
        """See `Tape.note`."""
        await self._journal.put(path, line, value)

    async def raise_fence(self, key: str) -> int:
        """See `Tape.raise_fence`."""
        before = await self._backend.update_state(_SCOPE, key, raise_operations())
        return epoch_of(before) + 1

    async def claim(self, key: str, epoch: int, step: str, claimant: str) -> Verdict:
        """See `Tape.claim`."""
        wish = Claim(claimant, self._epoch)
        operations = claim_operations(epoch, step, wish)
        before = await self._backend.update_state(_SCOPE, key, operations)
        return decide(before, epoch, step, wish)

    async def drop_fence(self, key: str) -> None:
        """See `Tape.drop_fence`."""
        await self._backend.delete_state(_SCOPE, key)
