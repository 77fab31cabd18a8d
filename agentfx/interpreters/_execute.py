"""Running one task's function: the same in memory and in a worker."""

import asyncio
import contextvars
import inspect
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

from agentfx.algebra import (
    AnyTask,
    ContractViolation,
    Failure,
    TaskContext,
    TaskError,
    Wire,
    encode_err,
    encode_ok,
)
from agentfx.interpreters._process import run_in_process

running_task: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "agentfx_running_task", default=None
)
"""Id of the task whose code is running, if any."""
thread_started: contextvars.ContextVar[Callable[[threading.Thread], None] | None] = (
    contextvars.ContextVar("agentfx_thread_started", default=None)
)
"""Told of the thread that runs a sync task: nobody can stop it, so its slot stays taken."""
outcome_recorded: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar(
    "agentfx_outcome_recorded", default=None
)
"""Told by a task that has its outcome on record already: nobody has to report it."""


async def execute(task: AnyTask, text: str, context: TaskContext) -> Wire:
    """Run a task on encoded input, and encode how it ends.

    Args:
        task: What to run.
        text: Its input, a JSON object keyed by parameter.
        context: Handed to the function if it asks for it.

    Returns:
        Its outcome; whatever the function raises is one.
    """
    try:
        arguments = task.contract.decode_input(text)
        value = await _limited(task, partial(_call, task, arguments, context))
        return encode_ok(task.contract, value)
    except _declared(task) as error:
        return encode_err(task.id, error)
    except _Crash as crash:
        return encode_err(task.id, crash.error, crash.trace)


def _declared(task: AnyTask) -> tuple[type[Failure], ...]:
    return (*task.options.raises, ContractViolation, TaskError)


class _Crash(Exception):  # noqa: N818 - never leaves this module
    """The function raised what it does not declare."""

    def __init__(self, task: str, cause: BaseException) -> None:
        message = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
        self.error = TaskError(task=task, reason="crashed", message=message)
        self.trace = "".join(traceback.format_exception(_without_own_frames(cause)))
        super().__init__(message)


async def _limited(task: AnyTask, call: Callable[[], Any]) -> Any:
    seconds = task.options.timeout_seconds
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await call()
    except TimeoutError as error:
        if not limit.expired():
            raise _Crash(task.id, error) from error
        message = f"not done within {seconds:g} s"
        raise TaskError(task=task.id, reason="timeout", message=message) from None


async def _call(task: AnyTask, arguments: dict[str, Any], context: TaskContext) -> Any:
    function = partial(task.function, context) if task.takes_context else task.function
    token = running_task.set(task.id)
    try:
        if inspect.iscoroutinefunction(task.function):
            return await function(**arguments)
        if task.options.process:
            return await run_in_process(partial(function, **arguments))
        return await in_thread(partial(function, **arguments))
    except TimeoutError:
        raise
    except _declared(task):
        raise
    except asyncio.CancelledError as error:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        raise _Crash(task.id, error) from error  # the function raised it by itself
    except (Exception, SystemExit) as error:
        raise _Crash(task.id, error) from error
    finally:
        running_task.reset(token)


async def in_thread(function: Callable[[], Any]) -> Any:
    """Run a function in a daemon thread of its own; a cancelled caller stops waiting for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def run() -> None:
        value: Any = None
        error: BaseException | None = None
        try:
            value = context.run(function)
        except StopIteration as stop:  # a future cannot carry it
            error = RuntimeError(f"the function raised StopIteration({stop.value!r})")
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:  # the loop ended first: nobody waits any more
            return

    thread = threading.Thread(target=run, name="agentfx-task", daemon=True)
    tell = thread_started.get()
    if tell is not None:
        tell(thread)
    thread.start()
    return await future


def _without_own_frames(error: BaseException) -> BaseException:
    """Drop the frames above the user's function from the traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    return error.with_traceback(trace)
