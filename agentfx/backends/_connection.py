"""One connection to an iii engine: the only module that imports the iii SDK.

The SDK has a thread and a loop of its own. Handlers run there, so they only hand over; user
code never runs on that loop, where it would stop pings and everything else.
"""

import asyncio
import logging
import os
import re
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from agentfx._clock import Clock
from agentfx._errors import AgentfxError
from agentfx.interpreters._execute import in_thread
from agentfx.wire import Json

T = TypeVar("T")
Handler: TypeAlias = Callable[[Json], Awaitable[Json]]
CALL_TIMEOUT_SECONDS = 3600.0
FOR_EVER_SECONDS = 365 * 24 * 3600
CONNECT_SECONDS = 5.0
LOST_SECONDS = 30.0
"""An engine that is away for so long is lost."""
_RECONNECT_FIRST_MS, _RECONNECT_MOST_MS = 50, 1000
_RECONNECT_FACTOR = 2
"""A whole number: the SDK raises it to the number of tries, and 2.0 ends them after 1,024."""
_ANY_HANDLER = "invocation_failed"
"""The one code that the SDK gives to whatever a handler raises."""
_OF_SERVICES = "agentfx::"
_CODED = re.compile(r"([A-Za-z_]+): (.*)", re.DOTALL)


class ConnectionFailedError(AgentfxError):
    """No engine answers at the address, or it refuses the token."""


class EngineAwayError(ConnectionFailedError):
    """No engine answers at the address, now."""


class LinkLostError(AgentfxError):
    """The link closed while a call was under way: whether it was served is not known."""


class CallError(Exception):
    """A function answered with an error.

    Attributes:
        code: Stable category; branch on this.
        message: One line for a person, or the JSON of a declared failure.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def preload() -> None:
    """Import the SDK, which takes 0.4 s, before it is needed."""
    import iii  # type: ignore[import-untyped]  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
    import iii_helpers.observability.telemetry  # noqa: F401  # pyright: ignore[reportUnusedImport]


class Connection:
    """A link to an engine that comes back by itself, with all that is served over it.

    Args:
        client: The SDK's client, connected.
        url: The engine.
        name: By which the engine lists this connection.
    """

    def __init__(self, client: Any, url: str, name: str) -> None:
        self.url, self.name = url, name
        self._client = client
        self._loop: asyncio.AbstractEventLoop = client._loop
        self._open = True
        self._closed = False
        self._served: dict[str, Any] = {}
        self._calls: set[asyncio.Task[Json]] = set()
        self._sends: set[asyncio.Task[Json]] = set()
        self._listeners: list[Callable[[bool], None]] = []
        self._beating: list[Future[None]] = []
        self._unsubscribe = client.add_connection_state_listener(self._state_changed)

    @classmethod
    async def connect(cls, url: str, token: str | None, name: str) -> "Connection":
        """Connect to an engine.

        Args:
            url: Such as `ws://127.0.0.1:49134`.
            token: Sent as a bearer token.
            name: Unique among the engine's connections.

        Raises:
            ConnectionFailedError: Nobody answers there, or the token is refused.
        """
        await _probe(url, token)
        connecting = asyncio.ensure_future(asyncio.to_thread(cls._register, url, token, name))
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            # It cannot be stopped, and the SDK's thread would keep the process from ending.
            await (await connecting).close()
            raise

    @classmethod
    def _register(cls, url: str, token: str | None, name: str) -> "Connection":
        from iii import (  # pyright: ignore[reportMissingTypeStubs]
            InitOptions,
            register_worker,
        )
        from iii_helpers.observability import ReconnectionConfig

        # Without a handler of its own each lost link would be printed into the notebook.
        logging.getLogger("iii").addHandler(logging.NullHandler())
        os.environ.pop("III_WORKER_NAME", None)  # it would override the name, for all of us
        client = register_worker(
            url,
            InitOptions(
                worker_name=name,
                headers={"Authorization": f"Bearer {token}"} if token else {},
                reconnection_config=ReconnectionConfig(
                    initial_delay_ms=_RECONNECT_FIRST_MS,
                    max_delay_ms=_RECONNECT_MOST_MS,
                    backoff_multiplier=_RECONNECT_FACTOR,
                ),
                otel={"enabled": False},
                enable_metrics_reporting=False,
                invocation_timeout_ms=int(CALL_TIMEOUT_SECONDS * 1000),
            ),
        )
        return cls(client, url, name)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The SDK's loop, in a thread of its own."""
        return self._loop

    @property
    def is_open(self) -> bool:
        """Whether the link is there now."""
        return self._open

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
        """Register a function; its handler is awaited on the SDK's loop and must not block.

        A `CallError` that it raises reaches our callers with its code.
        """

        async def handle(data: Any) -> Any:
            return await handler(data)

        self._served[function_id] = self._client.register_function(
            function_id,
            handle,
            description=description,
            request_format=request_format,
            response_format=response_format,
            metadata=metadata,
        )

    def withdraw(self, function_id: str) -> None:
        """Remove a function of ours; an unknown one is ignored."""
        reference = self._served.pop(function_id, None)
        if reference is not None:
            reference.unregister()

    def provide(
        self,
        trigger_type: str,
        description: str,
        bind: Callable[[Any], None],
        unbind: Callable[[Any], None],
    ) -> None:
        """Register a trigger type; both are called on the SDK's loop with what has an `id`.

        What `bind` raises refuses the trigger.
        """
        from iii.trigger import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
            TriggerHandler,
        )

        async def register(_: Any, config: Any) -> None:
            bind(config)

        async def unregister(_: Any, config: Any) -> None:
            unbind(config)

        wanted = {"id": trigger_type, "description": description}
        methods = {"register_trigger": register, "unregister_trigger": unregister}
        handler: Any = type("Provider", (TriggerHandler,), methods)()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # engines before 0.26 have nothing else
            self._client.register_trigger_type(wanted, handler)

    def retract(self, trigger_type: str) -> None:
        """Remove a trigger type of ours."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._client.unregister_trigger_type({"id": trigger_type, "description": ""})

    def bind(self, trigger_type: str, function_id: str, config: Json) -> Callable[[], None]:
        """Have a function of ours called on some occasions; gives what ends that."""
        wanted = {"type": trigger_type, "function_id": function_id, "config": config}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            unregister: Callable[[], None] = self._client.register_trigger(wanted).unregister
        return unregister

    async def served(self, function_id: str, clock: Clock) -> None:
        """Wait until the engine knows a function of ours: it registers them after a delay."""
        while True:
            try:
                await self.call("engine::functions::info", {"function_id": function_id})
            except CallError:
                await clock.sleep(0.005)
            else:
                return

    async def call(
        self, function_id: str, data: Json, timeout_seconds: float = CALL_TIMEOUT_SECONDS
    ) -> Json:
        """Call a function and wait for its answer; from any loop.

        Raises:
            CallError: It answered with an error, or not in time (`TIMEOUT`).
            LinkLostError: The link closed meanwhile.
        """
        request = {
            "function_id": function_id,
            "payload": data,
            "timeout_ms": int(timeout_seconds * 1000),
        }
        call = _Call(request, asyncio.get_running_loop().create_future())
        if not self._hand_over(self._begin, call):
            raise LinkLostError(f"no link to {self.url}")
        return await self._answered(call)

    async def call_within(
        self, function_id: str, data: Json, *, namespace: str | None = None, metadata: Json = None
    ) -> Json:
        """`call`, for who is on the SDK's loop already; it waits however long it takes.

        Raises:
            CallError: It answered with an error.
            LinkLostError: The link closed meanwhile.
        """
        request = {
            "function_id": function_id,
            "payload": data,
            "timeout_ms": FOR_EVER_SECONDS * 1000,
            "metadata": metadata,
            "namespace": namespace,
        }
        call = _Call(request, self._loop.create_future())
        self._begin(call)
        return await self._answered(call)

    async def _answered(self, call: "_Call") -> Json:
        try:
            return await call.answer
        except asyncio.CancelledError:
            self._hand_over(call.cancel)
            raise

    def _begin(self, call: "_Call") -> None:
        if not self._open or self._closed:
            self._settle(call, None, LinkLostError(f"no link to {self.url}"))
            return
        call.task = self._loop.create_task(self._trigger(call.request))
        self._calls.add(call.task)
        call.task.add_done_callback(partial(self._ended, call))

    def _ended(self, call: "_Call", task: asyncio.Task[Json]) -> None:
        self._calls.discard(task)
        if task.cancelled():  # by the end of the link, or by who calls, who no longer listens
            error = LinkLostError(f"the link to {self.url} closed during a call")
            self._settle(call, None, error)
        elif (failure := task.exception()) is not None:
            self._settle(call, None, failure)
        else:
            self._settle(call, task.result(), None)

    def _settle(self, call: "_Call", value: Json, error: BaseException | None) -> None:
        loop = call.answer.get_loop()
        if loop is self._loop:
            call.settle(value, error)
            return
        with suppress(RuntimeError):  # that loop has ended: nobody waits any more
            loop.call_soon_threadsafe(call.settle, value, error)

    def send(
        self,
        function_id: str,
        data: Json,
        *,
        namespace: str | None = None,
        metadata: Json = None,
    ) -> None:
        """Call a function without an answer; from any thread."""
        request = {
            "function_id": function_id,
            "payload": data,
            "action": {"type": "void"},
            "metadata": metadata,
            "namespace": namespace,
        }
        self._hand_over(self._send, request)

    def _send(self, request: dict[str, Any]) -> None:
        sending = self._loop.create_task(self._trigger(request))
        self._sends.add(sending)
        sending.add_done_callback(self._sent)

    def _sent(self, sending: asyncio.Task[Json]) -> None:
        self._sends.discard(sending)
        if not sending.cancelled():
            sending.exception()  # nobody waits for it

    def _hand_over(self, callback: Callable[..., None], *arguments: Any) -> bool:
        """Have the SDK's loop call something; False when this connection is closed for good."""
        if self._closed:
            return False
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # it has ended in this moment
            return False
        return True

    def spawn(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine on the SDK's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _trigger(self, request: dict[str, Any]) -> Json:
        from iii import InvocationError  # pyright: ignore[reportMissingTypeStubs]

        try:
            return await self._client.trigger_async(request)
        except InvocationError as error:
            code, text = error.code, error.message
            coded = _CODED.fullmatch(text) if code == _ANY_HANDLER else None
            if coded is not None and request["function_id"].startswith(_OF_SERVICES):
                code, text = coded[1], coded[2]
            raise CallError(code, text) from None

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run a callback on the SDK's loop, soon."""
        self._loop.call_soon_threadsafe(callback)

    def beat(self, clock: Clock, seconds: float, pulse: Callable[[], None]) -> None:
        """Call `pulse` on the SDK's loop every so often, until the connection is closed."""

        async def keep_beating() -> None:
            while not self._closed:
                pulse()
                await clock.sleep(seconds)

        self._beating.append(asyncio.run_coroutine_threadsafe(keep_beating(), self._loop))

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Hear, on the SDK's thread, whenever the link closes (False) or is back (True)."""
        self._listeners.append(listener)

    def _state_changed(self, state: str) -> None:
        is_open = state == "connected"
        if is_open == self._open:
            return
        self._open = is_open
        if not is_open:
            self._void_calls()
        for listener in list(self._listeners):
            listener(is_open)

    def _void_calls(self) -> None:
        """The SDK would let them wait for their timeout; the answers cannot come any more."""
        for task in list(self._calls):
            task.cancel()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed here, for good."""
        return self._closed

    async def close(self) -> None:
        """Close the link for good."""
        if self._closed:
            return
        self._closed = True
        self._loop.call_soon_threadsafe(self._void_calls)
        self._unsubscribe()
        for beating in self._beating:
            beating.cancel()
        await in_thread(self._shut_down)  # no pool: the process may be ending

    def _shut_down(self) -> None:
        self._client.shutdown()
        if not self._loop.is_running():  # the SDK leaves it open
            self._void_calls()
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()  # its own late stops are behind it then
            self._loop.run_until_complete(_end_what_is_left())
            self._loop.close()


@dataclass(eq=False, slots=True)
class _Call:
    """A call: made by a task of the SDK's loop, waited for on the loop of whoever calls.

    Attributes:
        answer: For who calls; of their loop.
        task: Makes it, once the SDK's loop has taken it.
    """

    request: dict[str, Any]
    answer: asyncio.Future[Json]
    task: asyncio.Task[Json] | None = None

    def cancel(self) -> None:
        """Who called does not wait any more; on the SDK's loop."""
        if self.task is not None:
            self.task.cancel()

    def settle(self, value: Json, error: BaseException | None) -> None:
        """Hand over how it ended; on the loop of who calls."""
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(value)
        else:
            self.answer.set_exception(error)


async def _end_what_is_left() -> None:
    """End what was handed to a loop at the last moment: it is a task by now."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def _probe(url: str, token: str | None) -> None:
    """Find out what the SDK would only retry in silence."""
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            async with connect(url, additional_headers=headers, max_size=None):
                return
    except InvalidURI:
        raise ConnectionFailedError(
            f"{url} is no address of an engine: write it as ws://127.0.0.1:49134"
        ) from None
    except InvalidStatus as error:
        if error.response.status_code in (401, 403):
            raise ConnectionFailedError(
                f"the engine at {url} refuses the token: give --token or III_TOKEN as "
                "`agentfx up` printed it"
            ) from None
        raise ConnectionFailedError(
            f"what answers at {url} is no iii engine (HTTP {error.response.status_code})"
        ) from None
    except (OSError, TimeoutError, InvalidHandshake, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise EngineAwayError(
            f"no engine answers at {url} ({reason}): check the address and whether it runs; "
            "`agentfx up` starts one in this folder"
        ) from None
