"""Tasks and actions: functions that workers run, known everywhere by their ids; and their calls."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import update_wrapper
from typing import (
    Any,
    Generic,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeGuard,
    cast,
)

from typing_extensions import TypeVar

from agentfx.algebra._contract import Contract
from agentfx.algebra._effect import A, E, Effect, R, Replayable
from agentfx.algebra._failure import Failure
from agentfx.algebra._for_each import ForEach, window
from agentfx.algebra._registry import register
from agentfx.algebra._structure import brief, function_given, node

P = ParamSpec("P")
B = TypeVar("B")
A2 = TypeVar("A2", covariant=True)
E2 = TypeVar("E2", covariant=True)
In = TypeVar("In", contravariant=True)

DEFAULT_TIMEOUT_SECONDS = 600.0
HINT = '@fx.task("module::name")'


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a task may know of the call it serves; taken as a leading parameter.

    Attributes:
        idempotency_key: The same whenever this call runs again, also in another attempt.
        attempt: Number of the attempt that `.retry` makes, from 1.
        delivery: How often this attempt was handed to a worker, from 1.
        worker: Label of the worker that runs it, `memory` under `run_memory`.
        run_id: The run that it belongs to.
    """

    idempotency_key: str
    attempt: int
    delivery: int
    worker: str
    run_id: str


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What a task declares beside its function."""

    raises: tuple[type[Failure], ...] = ()
    key: tuple[str, ...] = ()
    timeout_seconds: float | None = DEFAULT_TIMEOUT_SECONDS
    process: bool = False


class OneItem(Protocol[In, A2, E2]):
    """A task or action that can be called with one argument."""

    @property
    def id(self) -> str: ...
    def __call__(self, item: In, /) -> Effect[A2, E2]: ...


class Action(Generic[P, A, E]):
    """A function that runs at most once: after a lost worker it ends in `TaskError("lost")`.

    Attributes:
        id: The function id under which workers serve it.
        function: The plain function.
        options: What the decorator was given.
        contract: JSON Schemas, and the way of values to JSON and back.
        takes_context: The function's first parameter is a `TaskContext`.
    """

    at_most_once = True

    def __init__(
        self, function_id: str, function: Callable[..., Any], options: TaskOptions
    ) -> None:
        function_given(function, "a task", f"write {HINT} above a function")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function_id} yields, a task returns: return a list, or make a stream of it, "
                "fx.Stream.from_async_iterable"
            )
        self.id, self.function, self.options = function_id, function, options
        self.takes_context = _takes_context(function)
        self.contract = Contract(function_id, function, takes_context=self.takes_context)
        for name in options.key:
            if name not in self.contract.parameters:
                raise TypeError(
                    f"{function_id}: key names {name!r}, the parameters are "
                    f"{', '.join(self.contract.parameters) or 'none'}"
                )
        update_wrapper(cast("Any", self), function)
        register(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Effect[A, E]:
        """An effect that runs this with the arguments."""
        return ActionCall(self, args, kwargs)

    def for_each(
        self: OneItem[B, A2, E2], items: Iterable[B], *, concurrency: int = 8
    ) -> Effect[list[A2], E2]:
        """Run this for every item, at most `concurrency` at a time; values in the items' order.

        Raises:
            TypeError: It takes more than an item.
        """
        takes_an_item(self)
        return ForEach(tuple(items), self, window(concurrency), False)

    @property
    def local(self) -> Callable[..., Any]:
        """The plain function, for unit tests."""
        return self.function

    def by_value(self) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
        """How a process that cannot import this makes it; None: from function and options."""
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.id}>"

    def __reduce__(self) -> str:
        # By name, like a function; a bundle of code carries tasks of `__main__` by value.
        return self.function.__qualname__


class Task(Action[P, A, E]):
    """A function that may run again after a crash, with the same idempotency key."""

    at_most_once = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Replayable[A, E]:
        """An effect that runs this with the arguments; it may be retried."""
        return TaskCall(self, args, kwargs)


AnyTask: TypeAlias = Action[Any, Any, Any]


def takes_an_item(task: object) -> None:
    """Check that a task can be called with an item of a fan-out.

    Raises:
        TypeError: It takes more, or nothing.
    """
    if not is_task(task):
        return
    parameters, required = task.contract.parameters, task.contract.required
    if len(required) > 1 or not parameters:
        raise TypeError(
            f"{task.id} takes {', '.join(required) or 'nothing'}, and a fan-out gives it one item: "
            f"fx.for_each(items, lambda item: {task.function.__name__}(…))"
        )


def is_task(value: object) -> TypeGuard[AnyTask]:
    """Whether a value is a task or an action."""
    return isinstance(value, Action)


@node
class TaskCall(Replayable[A, E, R]):
    """Run a task with arguments: a durable job under dist."""

    task: AnyTask
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def direct(self) -> Effect[A, E, R]:
        """See `Replayable.direct`."""
        return DirectCall(self)

    def text(self) -> str:
        """See `Structure.text`."""
        return _called(self.task, self.args, self.kwargs)


@node
class ActionCall(Effect[A, E, R]):
    """Run an action with arguments: a durable job that runs at most once, and no second time."""

    task: AnyTask
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def text(self) -> str:
        """See `Structure.text`."""
        return _called(self.task, self.args, self.kwargs)


def _called(task: AnyTask, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    texts = [*map(brief, args), *(f"{name}={brief(value)}" for name, value in kwargs.items())]
    return f"{task.id}({', '.join(texts)})"


@node
class DirectCall(Effect[A, E, R]):
    """Run a task by a plain call to a worker: not durable, not run again."""

    first: TaskCall[Any, Any, Any]

    def text(self) -> str:
        """See `Structure.text`."""
        return ".direct()"


def _takes_context(function: Callable[..., Any]) -> bool:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        return False
    annotation = parameters[0].annotation
    # A string under `from __future__ import annotations`, however the module was imported.
    return annotation is TaskContext or (
        isinstance(annotation, str) and annotation.split(".")[-1] == "TaskContext"
    )
