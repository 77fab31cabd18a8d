"""An engine that only connects calls: functions, links that can be cut, and nothing else."""

import asyncio
from collections.abc import Callable
from itertools import count

from agentfx.services._host import (
    DEFAULT_NAMESPACE,
    FunctionError,
    Handler,
    Trace,
    TriggerProvider,
    WorkerChange,
)
from agentfx.wire import Json


class Switchboard:
    """Implements `Host`; calls are delivered at once and in order, on the loop."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[Handler, str | None]] = {}
        self._changes: list[Callable[[WorkerChange], None]] = []
        self._added: list[Callable[[str, str], None]] = []
        self._numbers = count(1)
        self._calls: dict[str, set[asyncio.Future[Json]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: list[FunctionError] = []

    # For the services

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
        if self._functions.get(function_id, (None, None))[1] is not None:
            raise FunctionError("FUNCTION_CONFLICT", f"{function_id} has an owner already")
        self._register(function_id, handler, None)

    def withdraw(self, function_id: str) -> None:
        if self._functions.get(function_id, (None, ""))[1] is None:
            self._functions.pop(function_id, None)

    async def call(
        self,
        function_id: str,
        data: Json,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        metadata: Json = None,
        trace: Trace | None = None,
    ) -> Json:
        return await self.call_over(None, function_id, data)

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
        self.send_over(None, function_id, data)

    def trace(self) -> Trace:
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
        raise NotImplementedError

    def retract(self, trigger_type: str) -> None:
        raise NotImplementedError

    def on_worker_change(self, listener: Callable[[WorkerChange], None]) -> None:
        self._changes.append(listener)

    def on_function_added(self, listener: Callable[[str, str], None]) -> None:
        self._added.append(listener)

    # For those who connect

    def connect(self) -> str:
        """A new link."""
        return f"link{next(self._numbers)}"

    def register(self, link: str, function_id: str, handler: Handler) -> None:
        """Serve a function over a link."""
        self._register(function_id, handler, link)

    def has(self, function_id: str) -> bool:
        """Whether somebody serves a function."""
        return function_id in self._functions

    def cut(self, link: str) -> None:
        """A link closes: its functions are gone, and whoever waits for one of them hears of it."""
        for function_id, (_, owner) in list(self._functions.items()):
            if owner == link:
                del self._functions[function_id]
        for call in self._calls.pop(link, set()):
            if not call.done():
                call.set_exception(FunctionError("invocation_stopped", "Invocation stopped"))
        for listener in self._changes:
            listener(WorkerChange("disconnected", link))

    async def call_over(self, link: str | None, function_id: str, data: Json) -> Json:
        """Call a function, as the one at the other end of a link."""
        if function_id not in self._functions:
            raise FunctionError("function_not_found", f"Function {function_id} not found")
        handler, owner = self._functions[function_id]
        answer: asyncio.Future[Json] = asyncio.ensure_future(handler(data, link))
        if owner is None:
            return await answer
        stopped: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._calls.setdefault(owner, set()).add(stopped)
        try:
            await asyncio.wait((answer, stopped), return_when=asyncio.FIRST_COMPLETED)
            return await (answer if answer.done() else stopped)
        finally:
            self._calls.get(owner, set()).discard(stopped)
            for future in (answer, stopped):
                future.cancel()

    def send_over(self, link: str | None, function_id: str, data: Json) -> None:
        """Call a function without waiting for its answer."""
        task = asyncio.ensure_future(self._unanswered(link, function_id, data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _unanswered(self, link: str | None, function_id: str, data: Json) -> None:
        try:
            await self.call_over(link, function_id, data)
        except FunctionError as error:
            self.failures.append(error)

    def _register(self, function_id: str, handler: Handler, link: str | None) -> None:
        self._functions[function_id] = (handler, link)
        for listener in self._added:
            listener(DEFAULT_NAMESPACE, function_id)

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
