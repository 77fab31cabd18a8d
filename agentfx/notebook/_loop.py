"""Threads of the kit, each with an event loop of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

WAKE_SECONDS = 0.1


class LoopThread:
    """A daemon thread that runs one event loop; started when it is first used.

    The kernel's loop belongs to the user's cells. What has to go on while a cell computes lives
    here.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, running."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                run = self._loop.run_forever
                threading.Thread(target=run, name=self._name, daemon=True).start()
            return self._loop

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine here; its result comes as a future of threads."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine here, and block until it is done.

        Raises:
            TimeoutError: It is not done in time; it is cancelled.
        """
        future = self.submit(work)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise


async def awaited(future: Future[T]) -> T:
    """Wait for a future of threads on a loop that may be interrupted.

    A kernel's signal handler only queues a callback; a loop that nothing else wakes would act on
    Interrupt when the future is done.
    """
    mine = asyncio.wrap_future(future)
    while not mine.done():
        await asyncio.wait({mine}, timeout=WAKE_SECONDS)
    return mine.result()
