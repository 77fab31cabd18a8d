"""The embedded engine as the services see it."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from agentfx.engine._actions import Actions, Resolve
from agentfx.engine._calls import abandon, call_from_host
from agentfx.engine._functions import serve_function, withdraw_function
from agentfx.engine._state import State, TriggerType
from agentfx.engine._triggers import drop_type, provide_type
from agentfx.services._host import (
    DEFAULT_NAMESPACE,
    FunctionError,
    Handler,
    Trace,
    TriggerProvider,
    WorkerChange,
)
from agentfx.wire import NULL, InvokeFunction, Json, RegisterFunction

_UNTRACED = Trace()


class EngineHost:
    """A `Host` inside the engine's own process.

    Args:
        state: The engine's.
        perform: Does what the routing decides.
        new_id: A fresh UUID.
    """

    def __init__(
        self, state: State, perform: Callable[[Actions], None], new_id: Callable[[], str]
    ) -> None:
        self._state, self._perform, self._new_id = state, perform, new_id
        self.handlers: dict[str, Handler] = {}
        self.providers: dict[str, TriggerProvider] = {}
        self.worker_listeners: list[Callable[[WorkerChange], None]] = []
        self.function_listeners: list[Callable[[str, str], None]] = []
        self.current_trace: ContextVar[Trace] = ContextVar("trace", default=_UNTRACED)
        self._waiting: dict[str, asyncio.Future[Json]] = {}

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
        """See `Host.serve`."""
        function = RegisterFunction(
            function_id, description, request_format, response_format, metadata
        )
        actions = serve_function(self._state, function)
        self.handlers[function_id] = handler
        self._perform(actions)

    def withdraw(self, function_id: str) -> None:
        """See `Host.withdraw`."""
        self.handlers.pop(function_id, None)
        self._perform(withdraw_function(self._state, function_id))

    async def call(
        self,
        function_id: str,
        data: Json,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        metadata: Json = None,
        trace: Trace | None = None,
    ) -> Json:
        """See `Host.call`."""
        call_id = self._new_id()
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[call_id] = future
        message = _message(function_id, data, namespace, metadata, trace)
        try:
            self._perform(call_from_host(self._state, call_id, message))
            return await future
        finally:
            # Still there when the caller was cancelled.
            if self._waiting.pop(call_id, None) is not None:
                abandon(self._state, call_id)

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
        """See `Host.send`."""
        message = _message(function_id, data, namespace, metadata, trace)
        self._perform(call_from_host(self._state, None, message, unanswered=unanswered))

    def trace(self) -> Trace:
        """See `Host.trace`."""
        return self.current_trace.get()

    def provide(
        self,
        trigger_type: str,
        provider: TriggerProvider,
        *,
        description: str,
        config_format: Json = None,
        call_format: Json = None,
    ) -> None:
        """See `Host.provide`."""
        self.providers[trigger_type] = provider
        known = TriggerType(
            DEFAULT_NAMESPACE, trigger_type, None, description, config_format, call_format
        )
        self._perform(provide_type(self._state, known))

    def retract(self, trigger_type: str) -> None:
        """See `Host.retract`."""
        if self.providers.pop(trigger_type, None) is not None:
            self._perform(drop_type(self._state, (DEFAULT_NAMESPACE, trigger_type)))

    def on_worker_change(self, listener: Callable[[WorkerChange], None]) -> None:
        """See `Host.on_worker_change`."""
        self.worker_listeners.append(listener)

    def on_function_added(self, listener: Callable[[str, str], None]) -> None:
        """See `Host.on_function_added`."""
        self.function_listeners.append(listener)

    def resolve(self, answer: Resolve) -> None:
        """Hand an answer to whoever of this process waits for it."""
        future = self._waiting.pop(answer.call_id, None)
        if future is None or future.done():
            return
        if answer.error is None:
            future.set_result(None if answer.result is NULL else answer.result)
        else:
            error = answer.error
            future.set_exception(FunctionError(error.code, error.message, error.stacktrace))


def _message(
    function_id: str, data: Json, namespace: str, metadata: Json, trace: Trace | None
) -> InvokeFunction:
    trace = trace or _UNTRACED
    return InvokeFunction(
        function_id,
        data,
        metadata=metadata,
        namespace=namespace,
        traceparent=trace.traceparent,
        baggage=trace.baggage,
    )
