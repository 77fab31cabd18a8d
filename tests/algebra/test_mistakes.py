"""Mistakes in writing a program: refused where they are written, in one line."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import agentfx as fx


def _number(n: int) -> int:
    return n


def _many(n: int) -> Iterator[int]:
    yield n


async def _some(n: int) -> AsyncIterator[int]:
    yield n


number = fx.task("mistakes_written::number")(_number)
loose: Any = fx  # what the checkers refuse, and a notebook does not
call: Any = number(1)

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "no id": (lambda: loose.task(_number), r"known by its id, not .*: write @fx\.task\(\"mod"),
    "no function": (lambda: loose.task("a::b")(3), "a task takes a function, not 3"),
    "a generator": (lambda: fx.task("a::b")(_many), "a::b yields, a task returns"),
    "an async one": (lambda: fx.task("a::b")(_some), "a::b yields, a task returns"),
    "a timeout": (lambda: loose.task("a::b", timeout="30"), "positive number of seconds, not '30'"),
    "a retry": (lambda: call.retry("3"), "a number of attempts, not '3', or a schedule"),
    "a window": (lambda: number.for_each([1], concurrency=loose), "concurrency is at least 1"),
    "map": (lambda: call.map("x"), "map takes a function, not 'x'"),
    "flat_map": (lambda: call.flat_map(call), "flat_map takes a function, not "),
    "for_each": (lambda: loose.for_each([1], call), r"takes a function, not .*: lambda item: …"),
    "catch": (lambda: call.catch(_number), r"fx\.on\(Failure\)\.do\(f\), not _num"),
    "provide": (lambda: call.provide(3), r"as LLM\.of\(implementation\), not as 3"),
    "attempt": (lambda: loose.attempt(3), "attempt takes a function, not 3: a coroutine function"),
    "a source": (lambda: loose.Stream.from_async_iterable([1]), r"already are fx\.Stream\.of"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_where_it_is_written(mistake: str) -> None:
    write, line = MISTAKES[mistake]
    with pytest.raises((TypeError, ValueError), match=line):
        write()
