"""A backend whose driver dies at any call it makes; and the world, in which it is dead then."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import agentfx as fx
from agentfx.interpreters import BackendLostError, JournalStep, RunEnd, RunState
from agentfx.testing import InMemoryBackend


class Mortal(InMemoryBackend):
    """Lets its driver die before or after its nth call; then serves the next driver."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.dies_at: float = float("inf")

    @property
    def dead(self) -> bool:
        """Whether the driver is."""
        return self.calls >= self.dies_at

    def _call(self) -> None:
        self.calls += 1
        if self.dead:
            raise BackendLostError("the driver is dead")

    async def _both(self, work: Awaitable[Any]) -> Any:
        try:
            self._call()
        except BackendLostError:
            _close(work)
            raise
        done = await work
        self._call()
        return done

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[JournalStep]
    ) -> list[tuple[str, str]]:
        won: list[tuple[str, str]] = await self._both(super().put_once(run, epoch, steps))
        return won

    async def update_state(
        self, scope: str, key: str, operations: Sequence[dict[str, Any]]
    ) -> dict[str, Any] | None:
        before: dict[str, Any] | None = await self._both(
            super().update_state(scope, key, operations)
        )
        return before

    async def delete_state(self, scope: str, key: str) -> None:
        await self._both(super().delete_state(scope, key))

    async def end_run(self, run: str, epoch: int, end: RunEnd) -> tuple[RunState, str | None]:
        won: tuple[RunState, str | None] = await self._both(super().end_run(run, epoch, end))
        return won

    async def next_driver(self, run: str) -> None:
        """The dead driver's link is closed, and another one may come."""
        self.dies_at = float("inf")
        await self.release_run(run, 0)

    @property
    def fences(self) -> list[tuple[str, str]]:
        """Places of the fences in state."""
        return list(self._state)


def _close(work: Awaitable[Any]) -> None:
    close: Callable[[], None] = getattr(work, "close", lambda: None)
    close()


class World:
    """What has happened outside; nothing that a dead driver still does counts.

    Attributes:
        seen: All of it.
        before: What had happened when the driver died.
    """

    def __init__(self, backend: Mortal) -> None:
        self.backend = backend
        self.seen: Counter[str] = Counter()
        self.before: Counter[str] = Counter()

    def effect(self, what: str) -> fx.Effect[str]:
        """A step of the driver with an effect that can be seen."""

        async def f() -> str:
            if not self.backend.dead:
                self.seen[what] += 1
            return what

        return fx.attempt(f)
