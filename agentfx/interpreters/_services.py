"""The services, as code that a worker runs may ask them."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from agentfx.interpreters._backend import BackendError

Ask: TypeAlias = Callable[[str, Any], Awaitable[Any]]
"""Calls a function of any worker, by its id and with its payload.

It waits out a lost link, so it is only for calls that may be made twice. Raises `ServiceError`.
"""


class ServiceError(BackendError):
    """A function answered with an error.

    Attributes:
        code: Stable category; branch on this.
        message: One line for a person, or the JSON of a declared failure.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return self.message


class _Worker:
    """What this process is, if it is a worker's."""

    ask: Ask | None = None


def let_ask(ask: Ask | None) -> None:
    """Let the tasks of this process, a worker's, ask the services."""
    _Worker.ask = ask


def asking() -> Ask:
    """How a task asks the services.

    Raises:
        BackendError: This process is no worker's.
    """
    if _Worker.ask is None:
        raise BackendError("only a task that a worker runs can ask the services")
    return _Worker.ask
