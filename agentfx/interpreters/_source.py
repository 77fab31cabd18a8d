"""Reading the source of a stream."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeGuard

from agentfx.algebra import Arriving
from agentfx.interpreters._caller import on_caller_loop

_END = object()


async def read_source(
    source: Arriving[Any], known: int, take: Callable[[Any], Awaitable[bool]]
) -> bool:
    """Read items, one after the other, on the loop of whoever made the source.

    Args:
        source: What to read.
        known: How many of its items are on record.
        take: Given each item; returns when there is room for another, and whether it is wanted.

    Returns:
        Whether the source ended by itself.
    """
    iterator = _iterator(source, known)
    try:
        while (item := await on_caller_loop(partial(_next, iterator))) is not _END:
            if not await take(item):
                return False
        return True
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await on_caller_loop(close)


def _iterator(source: Arriving[Any], known: int) -> AsyncIterator[Any]:
    found: Any = source.source
    if _is_async_iterable(found):
        return aiter(found)
    made: Any = found(known)
    if not _is_async_iterable(made):
        raise TypeError(
            f"{source!r} reads an async iterable, not {type(made).__name__}: give one, or a "
            "function that is given how many items are on record and returns one"
        )
    return aiter(made)


async def _next(iterator: AsyncIterator[Any]) -> Any:
    return await anext(iterator, _END)


def _is_async_iterable(value: object) -> TypeGuard[AsyncIterable[Any]]:
    return isinstance(value, AsyncIterable)
