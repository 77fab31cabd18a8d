"""A clock in the hands of a test."""

import asyncio


class StepClock:
    """Time passes only by sleeping, and sleeping takes none."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)
