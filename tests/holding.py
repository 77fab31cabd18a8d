"""A cluster that a thread holds, while tests on loops of their own attach to it."""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import agentfx as fx


@contextmanager
def held(cluster: Callable[[], fx.local]) -> Generator[None]:
    """Keep a cluster up.

    Args:
        cluster: Makes it; called on the thread's own loop.
    """
    started, done = threading.Event(), threading.Event()
    failure: list[BaseException] = []

    async def hold() -> None:
        async with cluster():
            started.set()
            await asyncio.to_thread(done.wait)

    def run() -> None:
        try:
            asyncio.run(hold())
        except BaseException as error:
            failure.append(error)
            started.set()

    holder = threading.Thread(target=run)
    holder.start()
    started.wait()
    if failure:
        raise failure[0]
    try:
        yield
    finally:
        done.set()
        holder.join()
