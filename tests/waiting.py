"""Waiting for what happens elsewhere: by a condition and a deadline, never by time alone."""

import asyncio
from collections.abc import Callable

DEADLINE_SECONDS = 20.0
POLL_SECONDS = 0.002


async def eventually(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not, for some seconds.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(POLL_SECONDS)
