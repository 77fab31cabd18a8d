"""Tasks and actions: functions that workers run, known everywhere by their ids."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import update_wrapper
from typing import (
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeGuard,
    cast,
    overload,
)

from typing_extensions import TypeVar

from agentfx.algebra._capability import as_failures
from agentfx.algebra._contract import Contract
from agentfx.algebra._effect import A, E, Effect, R, Replayable, positive
from agentfx.algebra._failure import ContractViolation, Failure, TaskError
from agentfx.algebra._for_each import ForEach, window
from agentfx.algebra._registry import register
from agentfx.algebra._structure import brief, function_given, node

P = ParamSpec("P")
B = TypeVar("B")
C = TypeVar("C")
A2 = TypeVar("A2", covariant=True)
E2 = TypeVar("E2", covariant=True)
In = TypeVar("In", contravariant=True)
TE = TypeVar("TE")
X1 = TypeVar("X1", bound=Failure)
X2 = TypeVar("X2", bound=Failure)
X3 = TypeVar("X3", bound=Failure)
X4 = TypeVar("X4", bound=Failure)

DEFAULT_TIMEOUT_SECONDS = 600.0
_HINT = '@fx.task("module::name")'
Always: TypeAlias = ContractViolation | TaskError
"""What every task can fail with, beside what it declares."""


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
        function_given(function, "a task", f"write {_HINT} above a function")
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


@dataclass(frozen=True, slots=True)
class TaskOf(Generic[TE]):
    """Makes a task of a function."""

    id: str
    options: TaskOptions

    @overload
    def __call__(
        self, function: Callable[Concatenate[TaskContext, P], Awaitable[C]]
    ) -> Task[P, C, TE]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[C]]) -> Task[P, C, TE]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[TaskContext, P], C]) -> Task[P, C, TE]: ...
    @overload
    def __call__(self, function: Callable[P, C]) -> Task[P, C, TE]: ...
    def __call__(self, function: Any) -> Any:
        made: AnyTask = Task(self.id, function, self.options)
        return made


@dataclass(frozen=True, slots=True)
class ActionOf(Generic[TE]):
    """Makes an action of a function."""

    id: str
    options: TaskOptions

    @overload
    def __call__(
        self, function: Callable[Concatenate[TaskContext, P], Awaitable[C]]
    ) -> Action[P, C, TE]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[C]]) -> Action[P, C, TE]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[TaskContext, P], C]) -> Action[P, C, TE]: ...
    @overload
    def __call__(self, function: Callable[P, C]) -> Action[P, C, TE]: ...
    def __call__(self, function: Any) -> Any:
        made: AnyTask = Action(self.id, function, self.options)
        return made


# One overload a tuple length: mypy joins `tuple[type[X], ...]` to a common base.
@overload
def task(
    function_id: str,
    *,
    key: tuple[str, ...] = ...,
    timeout: float | None = ...,
    process: bool = ...,
) -> TaskOf[Always]: ...
@overload
def task(
    function_id: str,
    *,
    raises: type[X1] | tuple[type[X1]],
    key: tuple[str, ...] = ...,
    timeout: float | None = ...,
    process: bool = ...,
) -> TaskOf[X1 | Always]: ...
@overload
def task(
    function_id: str,
    *,
    raises: tuple[type[X1], type[X2]],
    key: tuple[str, ...] = ...,
    timeout: float | None = ...,
    process: bool = ...,
) -> TaskOf[X1 | X2 | Always]: ...
@overload
def task(
    function_id: str,
    *,
    raises: tuple[type[X1], type[X2], type[X3]],
    key: tuple[str, ...] = ...,
    timeout: float | None = ...,
    process: bool = ...,
) -> TaskOf[X1 | X2 | X3 | Always]: ...
@overload
def task(
    function_id: str,
    *,
    raises: tuple[type[X1], type[X2], type[X3], type[X4]],
    key: tuple[str, ...] = ...,
    timeout: float | None = ...,
    process: bool = ...,
) -> TaskOf[X1 | X2 | X3 | X4 | Always]: ...
def task(
    function_id: str,
    *,
    raises: Any = (),
    key: tuple[str, ...] = (),
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    process: bool = False,
) -> TaskOf[Any]:
    """Make a task of a function.

    Args:
        function_id: Such as `docs::fetch`; known to workers of any language.
        raises: The failure it declares, or a tuple of up to four; other exceptions end in a
            `TaskError("crashed")`.
        key: Parameters that make the idempotency key; none means one key a call.
        timeout: Seconds after which it ends in `TaskError("timeout")`; None waits for ever.
        process: Run a sync function in a process of its own, which can be killed.
    """
    return TaskOf(function_id, _options(function_id, raises, key, timeout, process))


@overload
def action(
    function_id: str, *, timeout: float | None = ..., process: bool = ...
) -> ActionOf[Always]: ...
@overload
def action(
    function_id: str,
    *,
    raises: type[X1] | tuple[type[X1]],
    timeout: float | None = ...,
    process: bool = ...,
) -> ActionOf[X1 | Always]: ...
@overload
def action(
    function_id: str,
    *,
    raises: tuple[type[X1], type[X2]],
    timeout: float | None = ...,
    process: bool = ...,
) -> ActionOf[X1 | X2 | Always]: ...
@overload
def action(
    function_id: str,
    *,
    raises: tuple[type[X1], type[X2], type[X3]],
    timeout: float | None = ...,
    process: bool = ...,
) -> ActionOf[X1 | X2 | X3 | Always]: ...
def action(
    function_id: str,
    *,
    raises: Any = (),
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    process: bool = False,
) -> ActionOf[Any]:
    """Make an action of a function: like a task, but run at most once.

    After a lost worker it is not run again; it ends in `TaskError("lost")`, since it may or may
    not have completed. Its calls cannot be retried. Arguments as for `task`.
    """
    return ActionOf(function_id, _options(function_id, raises, (), timeout, process))


def _options(
    function_id: str, raises: Any, key: tuple[str, ...], timeout: float | None, process: bool
) -> TaskOptions:
    if not isinstance(cast("object", function_id), str):
        raise TypeError(f"a task is known by its id, not {brief(function_id)}: write {_HINT}")
    limit = None if timeout is None else positive(timeout)
    return TaskOptions(as_failures(raises), key, limit, process)
