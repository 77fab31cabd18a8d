"""The one place that asks the time and waits for it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as the rest of agentfx knows it."""

    def wall(self) -> float:
        """Seconds since the epoch: for people, and for due times that outlive a process."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: for intervals."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def wall(self) -> float:
        """See `Clock.wall`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)
