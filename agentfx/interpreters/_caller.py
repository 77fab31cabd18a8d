"""Capabilities run where their owner lives, also when a run is driven on another thread."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Generic, TypeVar

T = TypeVar("T")

caller_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar(
    "agentfx_caller_loop", default=None
)
"""The loop to which capabilities belong, where it is not the one that drives the run."""


async def on_caller_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Do work on the caller's loop: clients and sessions are bound to the loop that made them.

    Cancelled, it cancels the work there, and waits until that has ended: work cleans up before
    its run goes on, and may go on though it is cancelled, as on one loop.
    """
    loop = caller_loop.get()
    if loop is None or loop is asyncio.get_running_loop():
        return await work()
    return await _Errand(loop, work).run()


class _Errand(Generic[T]):
    """Work that one loop does for another."""

    def __init__(self, there: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[T]]) -> None:
        self._there, self._work = there, work
        self._here = asyncio.get_running_loop()
        self._ended: asyncio.Future[T] = self._here.create_future()
        self._context = copy_context()  # it goes along, and with it the key of the step
        self._task: asyncio.Task[T] | None = None

    async def run(self) -> T:
        self._there.call_soon_threadsafe(self._begin)
        while True:
            try:
                return await asyncio.shield(self._ended)
            except asyncio.CancelledError:
                if self._ended.done():
                    raise
                self._there.call_soon_threadsafe(self._cancel)

    # There

    def _begin(self) -> None:
        self._task = self._there.create_task(self._done(), context=self._context)
        self._task.add_done_callback(self._tell)

    async def _done(self) -> T:
        return await self._work()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _tell(self, task: "asyncio.Task[T]") -> None:
        with suppress(RuntimeError):  # the loop here ended first: nobody waits any more
            self._here.call_soon_threadsafe(self._settle, task)

    # Here

    def _settle(self, task: "asyncio.Task[T]") -> None:
        if task.cancelled():
            self._ended.cancel()
        elif (error := task.exception()) is not None:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(task.result())
