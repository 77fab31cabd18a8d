"""The port through which the services reach an engine.

Two hosts exist: the embedded engine, where a call is a Python call, and an ordinary iii
worker that serves the same functions on any iii engine.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from agentfx.wire import Json

DEFAULT_NAMESPACE = "default"

Handler: TypeAlias = Callable[[Json, str | None], Awaitable[Json]]
"""Serves one call: the payload and the id of the connection that made it, if one did.

It returns a JSON value; None means "no value", `agentfx.wire.NULL` an explicit null.
"""


class FunctionError(Exception):
    """A call was answered with an error body.

    Attributes:
        code: Stable category such as `function_not_found`; branch on this.
        message: One line for a person.
        stacktrace: Where it happened, if whoever served the call says so.
    """

    def __init__(self, code: str, message: str, stacktrace: str | None = None) -> None:
        super().__init__(code, message, stacktrace)
        self.code, self.message, self.stacktrace = code, message, stacktrace

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class WorkerChange:
    """A connection to the engine came or went; ids are the engine's, never reused."""

    event: Literal["connected", "disconnected"]
    worker_id: str


@dataclass(frozen=True, slots=True)
class Trace:
    """W3C trace context of a call."""

    traceparent: str | None = None
    baggage: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A trigger: somebody wants `function_id` called on the occasions that `config` describes.

    Attributes:
        id: Unique among all triggers; the same again after its worker reconnects.
        metadata: For the function, with every call.
        namespace: Where the function is.
    """

    id: str
    function_id: str
    config: Json
    metadata: Json = None
    namespace: str = DEFAULT_NAMESPACE


class TriggerProvider(Protocol):
    """Watches for the triggers of one type; both methods are called on the host's loop."""

    def bind(self, binding: Binding) -> None:
        """Take a trigger on.

        Raises:
            FunctionError: The trigger is refused; whoever made it is told.
        """
        ...

    def unbind(self, binding: Binding, *, disconnected: bool) -> None:
        """Let a trigger go.

        Args:
            binding: As it was bound.
            disconnected: Its worker went away and may come back with it. A host that cannot
                tell this from a wish to end the trigger says True.
        """
        ...


class Host(Protocol):
    """What the services need of the engine that hosts them.

    Everything is called, and calls back, on the loop of the services.
    """

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
        """Register a function in the default namespace; `handler` answers its calls.

        A handler raises `FunctionError` to answer with an error body.

        Raises:
            FunctionError: Another worker has this id, and the host can tell.
        """
        ...

    def withdraw(self, function_id: str) -> None:
        """Remove a function that `serve` registered; an unknown id is ignored."""
        ...

    async def call(
        self,
        function_id: str,
        data: Json,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        metadata: Json = None,
        trace: Trace | None = None,
    ) -> Json:
        """Invoke a function and wait for its answer, however long it takes.

        Raises:
            FunctionError: The function answered with an error, is not registered
                (`function_not_found`), or its worker left (`invocation_stopped`).
        """
        ...

    def send(
        self,
        function_id: str,
        data: Json,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        metadata: Json = None,
        trace: Trace | None = None,
        unanswered: bool = False,
    ) -> None:
        """Invoke a function without waiting for an answer; lost if nobody serves it.

        Args:
            function_id: Its id.
            data: The payload.
            namespace: Where the function is.
            metadata: For the function, beside the payload.
            trace: Of the call that this one is part of.
            unanswered: Where the host can, ask the worker not even to send an answer.
        """
        ...

    def trace(self) -> Trace:
        """Trace context of the call that the running handler serves; empty outside of one."""
        ...

    def provide(
        self,
        trigger_type: str,
        provider: TriggerProvider,
        *,
        description: str,
        config_format: Json = None,
        call_format: Json = None,
    ) -> None:
        """Register a trigger type in the default namespace.

        Args:
            trigger_type: Its id.
            provider: Given the triggers of this type: those that wait for it now, others later.
            description: One line for a person.
            config_format: JSON Schema of a trigger's config.
            call_format: JSON Schema of what the function is called with.
        """
        ...

    def retract(self, trigger_type: str) -> None:
        """Remove a trigger type that `provide` registered; its triggers wait for another."""
        ...

    def on_worker_change(self, listener: Callable[[WorkerChange], None]) -> None:
        """Hear of every connection that comes or goes, in order, on the host's loop."""
        ...

    def on_function_added(self, listener: Callable[[str, str], None]) -> None:
        """Hear the namespace and id of every function that gets registered.

        A host that has to ask its engine may be some seconds late.
        """
        ...
