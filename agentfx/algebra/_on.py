"""Handlers for one kind of failure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, overload

from typing_extensions import TypeVar

from agentfx.algebra._effect import AnyEffect, Applied, Catch, Effect, EffectThatFailsWith
from agentfx.algebra._failure import Failure

X = TypeVar("X", bound=Failure)
B = TypeVar("B")
A2 = TypeVar("A2")
E2 = TypeVar("E2")
R2 = TypeVar("R2")
E3 = TypeVar("E3")
R3 = TypeVar("R3")


@dataclass(frozen=True, slots=True)
class on(Generic[X]):  # noqa: N801 - reads as a word in `effect.catch(on(NotFound).do(f))`
    """Choose the failure that a handler recovers from."""

    failure: type[X]

    def do(self, f: Callable[[X], Effect[B, E3, R3]]) -> "Handler[X, B, E3, R3]":
        """Recover with the effect that `f` makes of the failure."""
        return Handler(self.failure, f)


@dataclass(frozen=True, slots=True)
class Handler(Applied, Generic[X, B, E3, R3]):
    """Removes one failure from the type of the effect it is applied to."""

    failure: type[X]
    f: Callable[[X], Effect[B, E3, R3]]

    @overload
    def __call__(
        self, effect: EffectThatFailsWith[A2, X, R2, X]
    ) -> Effect[A2 | B, E3, R2 | R3]: ...
    @overload
    def __call__(
        self, effect: EffectThatFailsWith[A2, E2 | X, R2, X]
    ) -> Effect[A2 | B, E2 | E3, R2 | R3]: ...
    def __call__(self, effect: Any) -> Any:
        made: AnyEffect = Catch(effect, self.failure, self.f)
        return made
