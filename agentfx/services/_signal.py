"""Waking whoever waits for something that happens again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agentfx._clock import Clock

T = TypeVar("T")


class Signal:
    """Something has happened that somebody may wait for."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def give(self) -> None:
        """Wake everybody who waits."""
        self._next.set()
        self._next = asyncio.Event()

    async def until(
        self, look: Callable[[], Awaitable[T]], found: Callable[[T], object], clock: Clock,
        seconds: float,
    ) -> T:  # fmt: skip
        """Look, and look again at each signal, until something is found or the time is up.

        Returns:
            What the last look saw.
        """
        deadline = clock.monotonic() + seconds
        while True:
            news = self._next  # before the look: what happens during it may not be in it
            seen = await look()
            left = deadline - clock.monotonic()
            if found(seen) or left <= 0:
                return seen
            try:
                async with asyncio.timeout(left):
                    await news.wait()
            except TimeoutError:
                continue
