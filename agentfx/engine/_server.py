"""The engine: the routing behind one asyncio WebSocket server."""

import asyncio
import errno
import logging
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agentfx._clock import Clock, SystemClock
from agentfx.engine import _actions as act
from agentfx.engine._builtins import install
from agentfx.engine._calls import answered, undelivered
from agentfx.engine._channels import Channels
from agentfx.engine._errors import EngineError, PortInUseError
from agentfx.engine._handshake import TELEMETRY, Doorkeeper
from agentfx.engine._host import EngineHost
from agentfx.engine._link import SOFT_BUFFER, Link
from agentfx.engine._route import elapsed, receive
from agentfx.engine._state import State
from agentfx.engine._triggers import bound
from agentfx.engine._workers import GRACE_SECONDS, on_connect, on_disconnect
from agentfx.services._host import FunctionError, Host
from agentfx.services._tasks import Tasks
from agentfx.wire import (
    MAX_FRAME,
    MAX_MESSAGE,
    DecodeError,
    EncodeError,
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    ToWorker,
    decode,
    encode,
)

HANDSHAKE_SECONDS = 10.0
READ_RUN = 32
"""Messages of one client that are handled before the others get their turn."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_log = logging.getLogger("agentfx.engine")


def _new_uuid() -> str:
    return str(uuid.uuid4())


class Engine:
    """An iii engine inside this process.

    Everything happens on the loop that runs `start`.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one, which is kept when started again.
        token: What clients must present as `Authorization: Bearer`; None lets anyone in,
            and is refused beyond loopback.
        clock: Tells the time and waits.
        new_id: Makes UUIDs.
        grace_seconds: How long registrations wait for a worker to say its namespace.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], str] = _new_uuid,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._address, self._port, self._token = host, port, token
        self._clock = clock or SystemClock()
        self._grace_seconds = grace_seconds
        self._state = State(lambda: int(self._clock.wall() * 1000), new_id)
        install(self._state)
        self._host = EngineHost(self._state, self._perform, new_id)
        self._links: dict[str, Link] = {}
        self._congested: set[Link] = set()
        self._channels = Channels()
        self._door = Doorkeeper(token, self._channels)
        self._tasks = Tasks()
        self._server: Server | None = None
        self._sockets: set[ServerConnection] = set()

    @property
    def host(self) -> Host:
        """The engine as services see it; usable before `start`."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._port

    @property
    def url(self) -> str:
        """Where clients connect to, once started."""
        address = f"[{self._address}]" if ":" in self._address else self._address
        return f"ws://{address}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            PortInUseError: Something else listens on the port.
            EngineError: The address cannot be listened on, or is not loopback and there is
                no token.
        """
        if self._token is None and self._address not in _LOOPBACK:
            raise EngineError(f"listening on {self._address} needs a token")
        try:
            self._server = await self._listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(self._address, self._port) from error
            raise EngineError(f"cannot listen on {self.url}: {error}") from error
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection, as the reference does at its end."""
        server, self._server = self._server, None
        if server is not None:
            server.close(close_connections=False)
            for socket in list(self._sockets):
                socket.transport.abort()
            await server.wait_closed()
        await self._tasks.close()

    async def _listen(self) -> Server:
        return await serve(
            self._handle,
            self._address,
            self._port,
            process_request=self._door,
            create_connection=_tracked(self._sockets),
            compression=None,
            server_header=None,
            open_timeout=HANDSHAKE_SECONDS,
            ping_interval=None,
            close_timeout=1,
            max_size=(MAX_MESSAGE, MAX_FRAME),
            write_limit=SOFT_BUFFER,
            logger=logging.getLogger("agentfx.engine.websockets"),
            reuse_address=True,
        )

    async def _handle(self, socket: ServerConnection) -> None:
        path = socket.request.path if socket.request else ""
        if urlsplit(path).path == TELEMETRY:
            async for _ in socket:
                pass
        elif (end := self._door.channel_end(path)) is not None:
            await self._channels.run(end, socket)
        else:
            await self._serve_worker(socket)

    async def _serve_worker(self, socket: ServerConnection) -> None:
        peer = socket.remote_address
        connection, actions = on_connect(
            self._state, peer[0] if peer else None, self._grace_seconds
        )
        self._links[connection.id] = Link(socket)
        try:
            self._perform(actions)
            await self._read(socket, connection.id)
        except ConnectionClosed:
            pass
        finally:
            del self._links[connection.id]
            self._perform(on_disconnect(self._state, connection.id))

    async def _read(self, socket: ServerConnection, connection_id: str) -> None:
        dropped = 0
        while True:
            for _ in range(READ_RUN):
                frame = await socket.recv(decode=False)
                try:
                    message = decode(frame)
                except DecodeError as error:
                    dropped += 1
                    _report_dropped(frame, error, dropped)
                    continue
                self._perform(receive(self._state, connection_id, message))
                if self._congested:
                    await self._let_drain()
            await asyncio.sleep(0)

    async def _let_drain(self) -> None:
        """Hold back the client just read from, since those it wrote to have not caught up."""
        congested, self._congested = self._congested, set()
        for link in congested:
            await link.drained()

    def _perform(self, actions: act.Actions) -> None:
        for action in actions:
            self._do(action)

    def _do(self, action: act.Action) -> None:
        match action:
            case act.Send(connection, message):
                self._send(connection, message)
            case act.Serve():
                self._tasks.spawn(self._run_handler(action))
            case act.Resolve():
                self._host.resolve(action)
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
        link.send(frame)
        if link.congested:
            self._congested.add(link)

    def _fail(self, connection_id: str, message: ToWorker, error: ErrorBody) -> None:
        if isinstance(message, InvokeFunction):
            self._perform(undelivered(self._state, message, error))
        elif isinstance(message, InvocationResult):
            answer = InvocationResult(message.invocation_id, message.function_id, None, error)
            self._send(connection_id, answer)
        else:
            _log.error("a %s could not be sent: %s", type(message).__name__, error.message)

    async def _run_handler(self, call: act.Serve) -> None:
        self._host.current_trace.set(call.trace)
        result, error = None, None
        try:
            result = await self._host.handlers[call.function_id](call.data, call.caller)
        except FunctionError as failure:
            error = ErrorBody(failure.code, failure.message, failure.stacktrace)
        except Exception as failure:  # a defect of the handler, which must not end the engine
            _log.exception("`%s` failed", call.function_id)
            error = ErrorBody("invocation_failed", str(failure))
        self._perform(answered(self._state, call.call_id, result, error))

    async def _wait(self, seconds: float, timer: act.Timer) -> None:
        await self._clock.sleep(seconds)
        self._perform(elapsed(self._state, timer))

    def _bind(self, action: act.Bind | act.Unbind) -> None:
        provider = self._host.providers.get(action.trigger_type)
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
        self._perform(bound(self._state, action.binding.id, error))

    def _end(self, action: act.Close | act.Evict) -> None:
        link = self._links.get(action.connection)
        if link is None:
            return
        if isinstance(action, act.Close):
            link.close()
        else:
            link.cut()

    def _tell(self, action: act.Notify | act.Announce | act.OpenChannel) -> None:
        match action:
            case act.Notify(change):
                for worker_listener in self._host.worker_listeners:
                    worker_listener(change)
            case act.Announce(namespace, function_id):
                for function_listener in self._host.function_listeners:
                    function_listener(namespace, function_id)
            case act.OpenChannel(channel_id, writer_key, reader_key, capacity):
                now = self._clock.monotonic()
                self._channels.open(channel_id, writer_key, reader_key, capacity, now)


def _tracked(sockets: set[ServerConnection]) -> type[ServerConnection]:
    """Connections that can be found from the first byte on, half-open handshakes included."""

    class Tracked(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            sockets.add(self)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            # A frame beyond the limit, or none at all: do not read the rest of it politely.
            if self.protocol.parser_exc is not None:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            sockets.discard(self)
            super().connection_lost(exc)

    return Tracked


def _report_dropped(frame: bytes, error: DecodeError, dropped: int) -> None:
    # A client that sends nothing else must not fill the log: the first, second, fourth, eighth …
    if not frame.strip() or dropped & (dropped - 1):
        return
    _log.warning("frame %d that cannot be decoded: %s: %.200r", dropped, error, frame)
