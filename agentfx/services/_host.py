"""The port through which the services reach an engine.

Two hosts exist: the embedded engine, where a call is a Python call, and an ordinary iii
worker that serves the same functions on any iii engine.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from agentfx.wire import Json

Handler: TypeAlias = Callable[[Json, str | None], Awaitable[Json]]
"""Serves one call: the payload and the id of the connection that made it, if one did."""


class FunctionError(Exception):
    """A call was answered with an error body.

    Attributes:
        code: Stable category such as `function_not_found`; branch on this.
        message: One line for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class WorkerChange:
    """A connection to the engine came or went; ids are the engine's, never reused."""

    event: Literal["connected", "disconnected"]
    worker_id: str


class Host(Protocol):
    """What the services need of the engine that hosts them."""

    def serve(
        self,
        function_id: str,
        handler: Handler,
        *,
        description: str | None = None,
        request_format: Json = None,
        response_format: Json = None,
        metadata: Json = None,
    ) -> None:
        """Register a function; calls to it are answered by `handler`.

        A handler raises `FunctionError` to answer with an error body.
        """
        ...

    def withdraw(self, function_id: str) -> None:
        """Remove a function that `serve` registered; an unknown id is ignored."""
        ...

    async def call(self, function_id: str, data: Json) -> Json:
        """Invoke a function and wait for its answer.

        Raises:
            FunctionError: The function answered with an error, is not registered
                (`function_not_found`), or its worker left (`invocation_stopped`).
        """
        ...

    def send(self, function_id: str, data: Json) -> None:
        """Invoke a function without an answer; lost if nobody serves it."""
        ...

    def on_worker_change(self, listener: Callable[[WorkerChange], None]) -> None:
        """Hear of every connection that comes or goes, in order, on the host's loop."""
        ...
