"""Waiting for what happens elsewhere: by a condition and a deadline, never by time alone."""

import asyncio
from collections.abc import Callable

import psutil

DEADLINE_SECONDS = 45.0
"""A busy machine takes its time; only what never happens takes so long."""
POLL_SECONDS = 0.002


async def eventually(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not, for some seconds.
    """
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(POLL_SECONDS)


def is_alive(process: psutil.Process | int) -> bool:
    """Whether a process, given as it is or by its pid, has not ended.

    One that nobody has asked for its status yet has ended: an orphan may wait long for that.
    """
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
