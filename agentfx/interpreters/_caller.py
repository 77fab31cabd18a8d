"""Capabilities run where their owner lives, also when a run is driven on another thread."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

caller_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar(
    "agentfx_caller_loop", default=None
)
"""The loop to which capabilities belong, where it is not the one that drives the run."""


async def on_caller_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Do work on the caller's loop: clients and sessions are bound to the loop that made them."""
    loop = caller_loop.get()
    if loop is None or loop is asyncio.get_running_loop():
        return await work()

    async def there() -> T:
        return await work()

    # The context goes along, and with it the key of the step.
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), loop))
