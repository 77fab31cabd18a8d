"""Any iii engine as the services see it: over a connection, as an ordinary worker of it.

Everything here runs on the SDK's loop, and so do the services: a call costs no way between
threads. Nothing of theirs blocks it, since the store has threads of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agentfx._clock import Clock
from agentfx.backends import CallError, Connection, LinkLostError
from agentfx.cluster._registry import Registry
from agentfx.services import (
    DEFAULT_NAMESPACE,
    Binding,
    FunctionError,
    Handler,
    Trace,
    TriggerProvider,
    WorkerChange,
)
from agentfx.wire import ABSENT, NULL, Json, is_object

CALLER = "_caller_worker_id"
"""Key that engines put into the payload of every call that a connection makes."""
_OURS = "agentfx::"
_WORKERS, _FUNCTIONS = "engine::workers-available", "engine::functions-available"
LOOKS_SECONDS = (0.1, 0.5, 2.0)
"""When to look what a new worker has registered: the engine's own trigger is up to 5 s late."""


@dataclass(slots=True)
class _Function:
    """A function that the services want to serve.

    Attributes:
        registered: The engine was told; False while somebody else has the id.
    """

    handler: Handler
    more: dict[str, Any]
    registered: bool = False


@dataclass(slots=True)
class _Provider:
    """What the SDK tells of the triggers of one type, for the services' provider."""

    to: TriggerProvider
    bound: dict[str, Binding] = field(default_factory=dict[str, Binding])

    def bind(self, config: Any) -> None:
        namespace = getattr(config, "namespace", None) or DEFAULT_NAMESPACE
        binding = Binding(config.id, config.function_id, config.config, config.metadata, namespace)
        self.to.bind(binding)
        self.bound[binding.id] = binding

    def unbind(self, config: Any) -> None:
        binding = self.bound.pop(config.id, None)
        if binding is not None:
            # Whether its worker went away or did not want it any more, the engine does not say.
            self.to.unbind(binding, disconnected=True)


class ConnectedHost:
    """A `Host` for as long as the link stays open; the next life of the services has another.

    Args:
        connection: To the engine.
        clock: The time.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._registry = Registry(connection, self._functions_changed)
        self._functions: dict[str, _Function] = {}
        self._types: set[str] = set()
        self._endings: list[Callable[[], None]] = []
        self._worker_listeners: list[Callable[[WorkerChange], None]] = []
        self._function_listeners: list[Callable[[str, str], None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def open(self) -> None:
        """Learn what the engine has, and hear of changes from here on.

        Raises:
            CallError: The engine does not answer as an iii engine does.
            LinkLostError: The link closed meanwhile.
        """
        # First the changes, then what there is: nothing falls between the two.
        await self._watch(_WORKERS, "workers", self._worker_changed)
        await self._watch(_FUNCTIONS, "functions", lambda _: self._spawn(self._read_again()))
        await self._registry.read()

    def has(self, function_id: str) -> bool:
        """Whether somebody else serves a function or provides a trigger type."""
        return self._registry.has(function_id)

    def close(self) -> None:
        """Let everything go at once: nothing of this life may be registered in the next."""
        self._closed = True
        for end in self._endings:
            end()
        for trigger_type in list(self._types):
            self.retract(trigger_type)
        for function_id in list(self._functions):
            self.withdraw(function_id)
        for task in self._tasks:
            task.cancel()

    async def announce(self, generation: int) -> None:
        """Tell the workers and drivers whose links stayed open that the services are back."""
        message = {"gen": generation, "back": True}
        for prefix in ("agentfx::exec::", "agentfx::driver::"):
            for function_id in await self._registry.with_prefix(prefix):
                if function_id not in self._functions:
                    self._connection.send(function_id, message)

    # As a `Host`

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
        """See `Host.serve`; an id that somebody else has is served once it is free."""
        more = {
            "description": description,
            "request_format": request_format,
            "response_format": response_format,
            "metadata": metadata,
        }
        self._functions[function_id] = _Function(handler, more)
        if function_id.startswith(_OURS):
            self._register(function_id)
        else:
            self._spawn(self._register_if_free(function_id))

    async def _register_if_free(self, function_id: str) -> None:
        # Engines up to 0.22 would take the id from whoever has it without a word.
        try:
            owner = await self._registry.owner(function_id)
        except (CallError, LinkLostError):
            return  # this life ends
        wanted = self._functions.get(function_id)
        if wanted is not None and not wanted.registered and owner is None:
            self._register(function_id)

    def _register(self, function_id: str) -> None:
        wanted = self._functions[function_id]
        wanted.registered = True

        async def handle(data: Json) -> Json:
            caller = data.pop(CALLER, None) if is_object(data) else None
            try:
                answer = await wanted.handler(data, caller)
            except FunctionError as error:
                raise CallError(error.code, error.message) from None
            return None if answer is NULL else answer

        self._connection.serve(function_id, handle, **wanted.more)

    def withdraw(self, function_id: str) -> None:
        """See `Host.withdraw`."""
        if self._functions.pop(function_id, None) is not None:
            self._connection.withdraw(function_id)

    async def call(
        self,
        function_id: str,
        data: Json,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        metadata: Json = None,
        trace: Trace | None = None,
    ) -> Json:
        """See `Host.call`; the trace is not passed on, since the SDK has its own."""
        own = self._own(function_id, namespace)
        if own is not None:
            return await own(data, None)
        try:
            return await self._connection.call_within(
                function_id, data, namespace=_named(namespace), metadata=metadata
            )
        except CallError as error:
            if error.code in ABSENT:
                self._registry.missed(namespace, function_id)
            raise FunctionError(error.code, error.message) from None
        except LinkLostError as error:
            raise FunctionError("invocation_stopped", str(error)) from None

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
        """See `Host.send`; what cannot be sent now is lost, and this life of the services ends."""
        own = self._own(function_id, namespace)
        if own is not None:
            self._spawn(own(data, None))
        elif self._connection.is_open:
            self._connection.send(function_id, data, namespace=_named(namespace), metadata=metadata)

    def _own(self, function_id: str, namespace: str) -> Handler | None:
        found = self._functions.get(function_id) if namespace == DEFAULT_NAMESPACE else None
        return found.handler if found is not None and found.registered else None

    def trace(self) -> Trace:
        """See `Host.trace`; always empty, since the SDK does not tell."""
        return Trace()

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
        self._types.add(trigger_type)
        told = _Provider(provider)
        self._connection.provide(trigger_type, description, told.bind, told.unbind)

    def retract(self, trigger_type: str) -> None:
        """See `Host.retract`."""
        if trigger_type in self._types:
            self._types.discard(trigger_type)
            self._connection.retract(trigger_type)

    def on_worker_change(self, listener: Callable[[WorkerChange], None]) -> None:
        """See `Host.on_worker_change`."""
        self._worker_listeners.append(listener)

    def on_function_added(self, listener: Callable[[str, str], None]) -> None:
        """See `Host.on_function_added`."""
        self._function_listeners.append(listener)

    # What the engine tells

    async def _watch(self, trigger_type: str, what: str, heard: Callable[[Json], None]) -> None:
        async def handle(data: Json) -> Json:
            heard(data)
            return None

        function_id = f"agentfx::watch::{self._connection.name}::{what}"
        self._connection.serve(function_id, handle, metadata={"internal": True})
        self._endings.append(lambda: self._connection.withdraw(function_id))
        await self._connection.served(function_id, self._clock)
        self._endings.append(self._connection.bind(trigger_type, function_id, {}))
        await self._registry.bound(function_id, self._clock)

    def _worker_changed(self, event: Json) -> None:
        match event:
            case {"event": "worker_connected", "worker_id": str(worker_id)}:
                change = WorkerChange("connected", worker_id)
                self._spawn(self._look_soon())
            case {"event": "worker_disconnected", "worker_id": str(worker_id)}:
                change = WorkerChange("disconnected", worker_id)
            case _:
                return
        for listener in self._worker_listeners:
            listener(change)

    async def _look_soon(self) -> None:
        for seconds in LOOKS_SECONDS:
            await self._clock.sleep(seconds)
            await self._read_again()

    async def _read_again(self) -> None:
        with suppress(CallError, LinkLostError):  # without a link this life ends
            await self._registry.read()

    def _functions_changed(self, added: list[tuple[str, str]], gone: set[str]) -> None:
        for namespace, function_id in added:
            for listener in self._function_listeners:
                listener(namespace, function_id)
        for function_id in gone & self._functions.keys():
            if not self._functions[function_id].registered:
                self._spawn(self._register_if_free(function_id))

    def _spawn(self, work: Awaitable[Any]) -> None:
        if self._closed:
            if asyncio.iscoroutine(work):
                work.close()  # it is not to begin
            return
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # of a handler whose answer nobody waits for


def _named(namespace: str) -> str | None:
    """Engines before 0.23 know no namespaces; the default one goes without saying."""
    return None if namespace == DEFAULT_NAMESPACE else namespace
