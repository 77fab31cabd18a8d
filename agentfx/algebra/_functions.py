"""Programs from functions: constructors, and the combinators in function form."""

from collections.abc import Callable, Iterable
from typing import Never, cast

from typing_extensions import TypeVar

from agentfx.algebra._capability import Given, LocalOnly
from agentfx.algebra._effect import Effect, EffectThatNeeds, Fail, Replayable, Sleep, Succeed
from agentfx.algebra._failure import Failure
from agentfx.algebra._for_each import ForEach, window
from agentfx.algebra._schedule import Schedule
from agentfx.algebra._structure import brief, function_given
from agentfx.algebra._task import Action, OneItem, takes_an_item

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E")
E2 = TypeVar("E2")
R = TypeVar("R")
R2 = TypeVar("R2")
X = TypeVar("X", bound=Failure)


def succeed(value: A) -> Effect[A]:
    """End with a value."""
    return Succeed(value)


def fail(failure: X) -> Effect[Never, X]:
    """End with a declared failure."""
    return Fail(failure)


def sleep(seconds: float) -> Effect[None]:
    """Wait; under dist a resumed run waits only for the rest.

    Raises:
        ValueError: `seconds` is no number, or negative.
    """
    if not (isinstance(cast("object", seconds), (int, float)) and seconds >= 0):
        raise ValueError(f"sleep takes seconds from 0, not {seconds!r}")
    return Sleep(seconds)


def for_each(
    items: Iterable[A], f: Callable[[A], Effect[B, E, R]], *, concurrency: int = 8
) -> Effect[list[B], E, R]:
    """Run a small program for every item, at most `concurrency` at a time.

    The program of each item is walked in the driver; the tasks in it distribute. Ends with the
    values in the items' order, or the failure of the lowest index.
    """
    f = function_given(f, "for_each", "lambda item: …")
    return ForEach(tuple(items), f, window(concurrency), False)


def for_each_task(
    items: Iterable[A], task: OneItem[A, B, E], concurrency: int
) -> Effect[list[B], E]:
    """Run one task over items, submitted in batches.

    Raises:
        TypeError: It is no task: only what has an id can be run elsewhere.
    """
    if not isinstance(cast("object", task), Action):
        raise TypeError(
            f"for_each_task takes a task, not {brief(task)}: decorate the function with "
            "@fx.task, or use fx.for_each"
        )
    takes_an_item(task)
    return ForEach(tuple(items), task, window(concurrency), False)


def for_each_par(
    items: Iterable[A], f: Callable[[A], Effect[B, E, R]], concurrency: int
) -> Effect[list[B], E, R | LocalOnly]:
    """Run any program for every item in this process; `run_dist` refuses it."""
    return ForEach(tuple(items), f, window(concurrency), True)


def flat_map(
    effect: Effect[A, E, R], f: Callable[[A], Effect[B, E2, R2]]
) -> Effect[B, E | E2, R | R2]:
    """See `Effect.flat_map`."""
    return effect.flat_map(f)


def map_(effect: Effect[A, E, R], f: Callable[[A], B]) -> Effect[B, E, R]:
    """See `Effect.map`."""
    return effect.map(f)


def catch_all(
    effect: Effect[A, E, R], f: Callable[[E], Effect[B, E2, R2]]
) -> Effect[A | B, E2, R | R2]:
    """See `Effect.catch_all`."""
    return effect.catch_all(f)


def retry(effect: Replayable[A, E, R], policy: int | Schedule) -> Replayable[A, E, R]:
    """See `Replayable.retry`.

    Raises:
        TypeError: The effect is not replayable: running it again could repeat what it did.
    """
    # The checkers refuse it as well; in a notebook nobody may run them.
    if not isinstance(cast("object", effect), Replayable):
        raise TypeError(
            f"only a task's call can be retried, not {effect!r}: retry the call itself, "
            "before .map or .flat_map"
        )
    return effect.retry(policy)


def provide(effect: EffectThatNeeds[A, E, R | C, C], given: Given[C]) -> Effect[A, E, R]:
    """See `Effect.provide`."""
    return given(effect)
