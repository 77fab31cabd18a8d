"""Does what the routing decides."""

import logging
from collections.abc import Callable

from agentfx._clock import Clock
from agentfx.engine import _actions as act
from agentfx.engine._builtins import install
from agentfx.engine._calls import STOPPED, answered, undelivered
from agentfx.engine._channels import Channels
from agentfx.engine._host import EngineHost
from agentfx.engine._link import WorkerLink
from agentfx.engine._route import elapsed, receive
from agentfx.engine._state import Connection, State
from agentfx.engine._triggers import bound
from agentfx.engine._workers import on_connect, on_disconnect
from agentfx.services._host import FunctionError
from agentfx.services._tasks import Tasks
from agentfx.wire import (
    MAX_MESSAGE,
    EncodeError,
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    ToEngine,
    ToWorker,
    encode,
)

BUSY_SERVING = 256
"""Calls of one worker running in this process from which on it is read more slowly."""

_log = logging.getLogger("agentfx.engine")


class Core:
    """The routing, and what it acts on: links to workers, handlers, timers; a `Switchboard`.

    Args:
        clock: Tells the time and waits.
        new_id: Makes UUIDs.
        grace_seconds: How long registrations wait for a worker to say its namespace.
    """

    def __init__(self, clock: Clock, new_id: Callable[[], str], grace_seconds: float) -> None:
        self._clock, self._grace_seconds = clock, grace_seconds
        self._state = State(lambda: int(clock.wall() * 1000), new_id)
        install(self._state)
        self._links: dict[str, WorkerLink] = {}
        self._congested: set[WorkerLink] = set()
        self.host = EngineHost(self._state, self._perform, new_id)
        self.channels = Channels()
        self._tasks = Tasks()

    def connected(self, link: WorkerLink) -> Connection:
        """See `Switchboard.connected`."""
        connection, actions = on_connect(self._state, link.socket.ip_address, self._grace_seconds)
        self._links[connection.id] = link
        self._perform(actions)
        return connection

    def received(self, link: WorkerLink, message: ToEngine) -> None:
        """See `Switchboard.received`; a worker that says more than others can take is held."""
        self._congested.clear()
        self._perform(receive(self._state, link.connection.id, message))
        if self._congested:
            link.socket.hold()
            self._tasks.spawn(_let_drain(link, set(self._congested)))
        elif link.connection.serving > BUSY_SERVING:
            link.socket.hold()
            self._tasks.spawn(self._let_settle(link))

    def disconnected(self, link: WorkerLink) -> None:
        """See `Switchboard.disconnected`."""
        del self._links[link.connection.id]
        self._perform(on_disconnect(self._state, link.connection.id))

    async def stop(self) -> None:
        """End handlers and timers; whoever waits for an answer hears that there is none."""
        await self._tasks.close()
        for call_id in list(self._state.calls):
            self._perform(answered(self._state, call_id, None, STOPPED))

    def _perform(self, actions: act.Actions) -> None:
        for action in actions:
            self._do(action)

    def _do(self, action: act.Action) -> None:
        match action:
            case act.Send(connection, message):
                self._send(connection, message)
            case act.Serve():
                self._tasks.spawn(self._serve(action))
            case act.Resolve():
                self.host.resolve(action)
            case act.After(seconds, timer):
                self._tasks.spawn(self._wait(seconds, timer))
            case act.Bind() | act.Unbind():
                self._bind(action)
            case act.Close() | act.Evict():
                self._end(action)
            case _:
                self._tell(action)

    def _send(self, connection_id: str, message: ToWorker) -> None:
        link = self._links.get(connection_id)
        if link is None:
            return
        try:
            frame = encode(message)
        except EncodeError as error:
            self._fail(connection_id, message, ErrorBody("serialization_error", str(error)))
            return
        if len(frame) > MAX_MESSAGE:
            text = f"the message has {len(frame)} bytes, at most {MAX_MESSAGE} can be sent"
            self._fail(connection_id, message, ErrorBody("payload_too_large", text))
            return
        if link.socket.congested:
            self._congested.add(link)
        link.socket.send(frame)

    def _fail(self, connection_id: str, message: ToWorker, error: ErrorBody) -> None:
        if isinstance(message, InvokeFunction):
            self._perform(undelivered(self._state, message, error))
        elif isinstance(message, InvocationResult):
            answer = InvocationResult(message.invocation_id, message.function_id, None, error)
            self._send(connection_id, answer)
        else:
            _log.error("a %s could not be sent: %s", type(message).__name__, error.message)

    async def _serve(self, call: act.Serve) -> None:
        self.host.current_trace.set(call.trace)
        result, error = None, None
        try:
            result = await self.host.handlers[call.function_id](call.data, call.caller)
        except FunctionError as failure:
            error = ErrorBody(failure.code, failure.message, failure.stacktrace)
        except Exception as failure:  # a defect of the handler, which must not end the engine
            _log.exception("`%s` failed", call.function_id)
            error = ErrorBody("invocation_failed", str(failure))
        self._perform(answered(self._state, call.call_id, result, error))

    async def _let_settle(self, link: WorkerLink) -> None:
        """Wait for calls of a worker to end, but not for ever: they may wait for what it sends."""
        for _ in range(50):
            if link.connection.serving <= BUSY_SERVING:
                break
            await self._clock.sleep(0.001)
        link.socket.release()

    async def _wait(self, seconds: float, timer: act.Timer) -> None:
        await self._clock.sleep(seconds)
        self._perform(elapsed(self._state, timer))

    def _bind(self, action: act.Bind | act.Unbind) -> None:
        provider = self.host.providers.get(action.trigger_type)
        if provider is None:
            return
        if isinstance(action, act.Unbind):
            provider.unbind(action.binding, disconnected=action.disconnected)
            return
        error = None
        try:
            provider.bind(action.binding)
        except FunctionError as refusal:
            error = ErrorBody(refusal.code, refusal.message)
        except Exception as defect:
            _log.exception("the provider of `%s` failed", action.trigger_type)
            error = ErrorBody("trigger_registration_failed", str(defect))
        self._perform(bound(self._state, action.binding.id, error))

    def _end(self, action: act.Close | act.Evict) -> None:
        link = self._links.get(action.connection)
        if link is None:
            return
        if isinstance(action, act.Close):
            link.socket.close()
        else:
            link.socket.cut()

    def _tell(self, action: act.Notify | act.Announce | act.OpenChannel) -> None:
        match action:
            case act.Notify(change):
                for worker_listener in self.host.worker_listeners:
                    worker_listener(change)
            case act.Announce(namespace, function_id):
                for function_listener in self.host.function_listeners:
                    function_listener(namespace, function_id)
            case act.OpenChannel(channel_id, writer_key, reader_key, capacity):
                now = self._clock.monotonic()
                self.channels.open(channel_id, writer_key, reader_key, capacity, now)


async def _let_drain(link: WorkerLink, congested: set[WorkerLink]) -> None:
    for other in congested:
        await other.caught_up()
    link.socket.release()
