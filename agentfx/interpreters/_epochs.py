"""The fences of one stream, and the epochs of its items."""

from collections.abc import Sequence

from agentfx.algebra import Fence, Stage, Switched
from agentfx.interpreters._certainty import Begins, about_to_begin
from agentfx.interpreters._tape import Note, Place, Tape
from agentfx.jobs import SHARED_FENCES, fence_scope
from agentfx.streams import input_line


class Epochs:
    """Raises the fences of a stream's stages, and remembers to which epoch.

    Args:
        tape: For notes and fences.
        at: Path of the stream.
        stages: Of the stream.
    """

    def __init__(self, tape: Tape, at: str, stages: Sequence[Stage]) -> None:
        self._tape, self._at, self._stages = tape, at, stages
        self._raised: dict[int, int] = {}

    def has(self, stage: int) -> bool:
        """Whether the items of a stage have epochs."""
        return isinstance(self._stages[stage], Switched)

    def noted(self, stage: int, number: int, path: str) -> Fence | None:
        """The fence of an item that an earlier driver began; None if it did not."""
        noted = self._tape.noted(f"{path}/0", "epoch") if self.has(stage) else None
        if noted is None:
            return None
        self._raised[stage] = number
        return Fence(int(noted), *self._place(stage), path)

    async def enter(self, stage: int, number: int, path: str) -> Fence | None:
        """The fence of an item that is about to begin, raised; None for a stage without one."""
        fence = self.noted(stage, number, path)
        if fence is not None or not self.has(stage):
            return fence
        await about_to_begin(Begins.IDENTIFIED)
        # Items that were overtaken before they began have epochs of their own.
        by = number - self._raised.get(stage, 0)
        epoch = await self._tape.raise_fence(self._place(stage), by)
        await self._tape.note(Note(f"{path}/0", input_line(epoch), str(epoch)))
        self._raised[stage] = number
        return Fence(epoch, *self._place(stage), path)

    async def drop(self) -> None:
        """Forget the stream's own fences; those with a name outlive it."""
        for place in map(self._place, self._raised):
            if place[0] != SHARED_FENCES:
                await self._tape.drop_fence(place)

    def _place(self, index: int) -> Place:
        stage = self._stages[index]
        if isinstance(stage, Switched) and stage.fence is not None:
            return SHARED_FENCES, stage.fence
        return fence_scope(self._tape.identity), f"{self._at}/{index + 1}"
