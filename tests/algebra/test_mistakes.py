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


def _two(a: int, b: int) -> int:
    return a + b


number = fx.task("mistakes_written::number")(_number)
two: Any = fx.task("mistakes_written::two")(_two)
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
    "a sleep": (lambda: loose.sleep("1"), "sleep takes seconds from 0, not '1'"),
    "a delay": (lambda: loose.exponential("1"), "a delay takes seconds from 0, not '1'"),
    "two arguments": (lambda: two.for_each([(1, 2)]), r"takes a, b, and .* lambda item: _two\(…"),
    "a batch of two": (lambda: loose.for_each_task([1], two, 3), "two takes a, b, and a fan-out"),
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


def _at_once() -> int:
    return 5


def test_what_is_awaited_has_to_be_a_coroutine() -> None:
    line = (
        r"attempt\(_at_once\) has to await something, and its function gave int: make it an `async"
    )
    with pytest.raises(TypeError, match=line):
        fx.run_memory_sync(loose.attempt(_at_once))
