"""Coroutines from code that cannot await."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias, TypeVar

from agentfx._errors import AgentfxError

T = TypeVar("T")
Where: TypeAlias = Literal["own", "kernel"]
"""Which loop: one of its own, or the one that runs already, such as a notebook kernel's."""


class NestedLoopError(AgentfxError):
    """A program cannot run inside the loop that runs already."""


def run_sync(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, also where a loop runs already: then in another thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    with ThreadPoolExecutor(1, thread_name_prefix="agentfx-sync") as pool:
        return pool.submit(lambda: asyncio.run(make())).result()


def run_nested(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end inside the loop that runs already.

    What is bound to that loop can be used. Until it ends, nothing that waits for the loop to be
    free goes on, such as clicks in a notebook; asyncio stays patched by nest-asyncio2.

    Raises:
        NestedLoopError: nest-asyncio2 is not there, or plain nest_asyncio is patched in.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    try:
        import nest_asyncio2  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise NestedLoopError(
            'loop="kernel" needs nest-asyncio2: pip install "agentfx-kit[notebook]", or await '
            "the program"
        ) from None
    if hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2"):
        raise NestedLoopError(
            "plain nest_asyncio is patched in, which loses clicks: restart the kernel without it, "
            "or await the program"
        )
    nest_asyncio2.apply(loop)  # pyright: ignore[reportUnknownMemberType]
    return loop.run_until_complete(make())
