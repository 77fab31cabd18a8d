"""The epoch fence: side effects of the latest input alone, at most once each."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from typing_extensions import TypeVar

from agentfx.algebra._effect import A, AnyEffect, E, Effect, R
from agentfx.algebra._failure import Failure
from agentfx.algebra._structure import node

B = TypeVar("B")
E2 = TypeVar("E2")
R2 = TypeVar("R2")

Refusal: TypeAlias = Literal["newer", "taken", "uncertain"]


class Superseded(Failure):
    """A fenced effect was not run.

    Attributes:
        epoch: Of the input that the effect was for.
        reason: `newer`: a newer input has come. `taken`: somebody else ran it in this epoch.
            `uncertain`: a driver died after it had claimed the effect and before its end was on
            record; it may or may not have run, and is not run again.
    """

    epoch: int
    reason: Refusal

    def __str__(self) -> str:
        return f"epoch {self.epoch} is superseded: {_REASONS[self.reason]}"


_REASONS: dict[str, str] = {
    "newer": "a newer input has come",
    "taken": "the effect was run already",
    "uncertain": "the effect was begun, and may have completed",
}


@dataclass(frozen=True, slots=True)
class Fence:
    """The fence of one input of `switch_map`.

    Attributes:
        epoch: Of the input; grows with every input of the fence, in all processes. Pass it along
            as a token, so that the far side can refuse one that is lower than what it has seen.
        scope: Where the fence lies in state; with `key`.
        key: See `scope`.
        at: Where in its run the input is worked on.
    """

    epoch: int
    scope: str
    key: str
    at: str

    def guard(
        self, effect: Effect[B, E2, R2], *, step: str | None = None
    ) -> "Effect[B, E2 | Superseded, R2]":
        """Run an effect only in the latest epoch, and at most once for an epoch and step.

        One atomic update in state decides, before the effect begins. Whoever is paused before
        that is refused if a newer input has come meanwhile; whoever is paused after it is not:
        for this the effect has the epoch as a token.

        Args:
            effect: What to run.
            step: A name for it within the epoch; its place in the program without one.
        """
        return Guard(effect, self, step)


@node
class Guard(Effect[A, E, R]):
    """Run `first` if the fence lets it through."""

    first: AnyEffect
    fence: Fence
    step: str | None

    def text(self) -> str:
        """See `Structure.text`."""
        return f".guarded(epoch {self.fence.epoch})"
