"""Values of steps that the driver computes itself."""

import json
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from agentfx._errors import AgentfxError
from agentfx.algebra import (
    LIMIT_BYTES,
    AnyTask,
    Arriving,
    Attempt,
    NoJsonFormError,
    Use,
    decode_value,
    encode_value,
)
from agentfx.interpreters._caller import on_caller_loop
from agentfx.interpreters._scope import Step
from agentfx.jobs import call_key, declared_key

T = TypeVar("T")
Computed = Use[Any, Any, Any] | Attempt[Any, Any, Any]
Typed = Computed | Arriving[Any]
"""Nodes whose values are kept, and may have a type to be rebuilt by."""


_step_key: ContextVar[str | None] = ContextVar("agentfx_step_key", default=None)


def step_key() -> str:
    """The idempotency key of the capability or `attempt` that is running.

    Such a step runs at least once: after a crash between its effect and its record it runs
    again, with the same key.

    Raises:
        LookupError: None is running.
    """
    key = _step_key.get()
    if key is None:
        raise LookupError("step_key() is for code that a capability or fx.attempt runs")
    return key


async def keyed(key: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run work under an idempotency key, on the loop of whoever gave the capabilities."""
    token = _step_key.set(key)
    try:
        return await on_caller_loop(work)
    finally:
        _step_key.reset(token)


class ValueNotStorableError(AgentfxError):
    """A step's value cannot be kept in a journal."""


def encode_step(step: Step, node: Typed, value: Any) -> str:
    """The value of a step as the journal keeps it.

    Raises:
        ValueNotStorableError: It would not come back, or is too large.
    """
    text: str = _checked(step, node, lambda: encode_value(value, node.returns))
    if len(text.encode()) > LIMIT_BYTES:
        raise ValueNotStorableError(
            f"step {step.path}, {node!r}: its value is larger than {LIMIT_BYTES:,} bytes of JSON; "
            "return a reference to stored data instead"
        )
    return text


def decode_step(step: Step, node: Typed, text: str) -> Any:
    """The value that a journal keeps for a step.

    Raises:
        ValueNotStorableError: Its class is not loaded, or it does not fit the type.
    """
    return _checked(step, node, lambda: decode_value(text, node.returns))


def _checked(step: Step, node: Typed, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except NoJsonFormError as error:
        raise ValueNotStorableError(
            f"step {step.path}, {node!r}: {error}; "
            "give returns= a type, or return plain data that a journal can keep"
        ) from None


def idempotency_key(task: AnyTask, text: str, run: str, path: str) -> str:
    """The key handed to a task: of its declared parameters, else of the call."""
    if not task.options.key:
        return call_key(run, path)
    arguments = json.loads(text)
    values = [json.dumps(arguments[name], sort_keys=True) for name in task.options.key]
    return declared_key(task.id, values)
