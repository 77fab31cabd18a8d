"""`@task` and `@action`: how a function becomes one, and what type checkers know of it then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, cast, overload

from typing_extensions import TypeVar

from agentfx.algebra._capability import as_failures
from agentfx.algebra._effect import positive
from agentfx.algebra._failure import ContractViolation, Failure, TaskError
from agentfx.algebra._structure import brief
from agentfx.algebra._task import (
    DEFAULT_TIMEOUT_SECONDS,
    HINT,
    Action,
    AnyTask,
    Task,
    TaskContext,
    TaskOptions,
)

P = ParamSpec("P")
C = TypeVar("C")
TE = TypeVar("TE")
X1 = TypeVar("X1", bound=Failure)
X2 = TypeVar("X2", bound=Failure)
X3 = TypeVar("X3", bound=Failure)
X4 = TypeVar("X4", bound=Failure)

Always: TypeAlias = ContractViolation | TaskError
"""What every task can fail with, beside what it declares."""


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
@overload
def action(
    function_id: str,
    *,
    raises: tuple[type[X1], type[X2], type[X3], type[X4]],
    timeout: float | None = ...,
    process: bool = ...,
) -> ActionOf[X1 | X2 | X3 | X4 | Always]: ...
def action(
    function_id: str,
    *,
    raises: Any = (),
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    process: bool = False,
) -> ActionOf[Any]:
    """Make an action of a function: like a task, but run at most once.

    After a lost worker it is not run again; it ends in `TaskError("lost")`, since it may or may
    not have completed. Its calls cannot be retried. Arguments as for `task`, without `key`.
    """
    return ActionOf(function_id, _options(function_id, raises, (), timeout, process))


def _options(
    function_id: str, raises: Any, key: tuple[str, ...], timeout: float | None, process: bool
) -> TaskOptions:
    if not isinstance(cast("object", function_id), str):
        raise TypeError(f"a task is known by its id, not {brief(function_id)}: write {HINT}")
    limit = None if timeout is None else positive(timeout)
    return TaskOptions(as_failures(raises), key, limit, process)
