"""The engine: the routing behind a WebSocket server."""

import asyncio
import errno
import uuid
from collections.abc import Callable

from agentfx._clock import Clock, SystemClock
from agentfx.engine._core import Core
from agentfx.engine._errors import EngineError, PortInUseError
from agentfx.engine._handshake import Doorkeeper
from agentfx.engine._link import WorkerLink
from agentfx.engine._socket import Flusher, Socket
from agentfx.engine._workers import GRACE_SECONDS
from agentfx.services._host import Host

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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
        self._core = Core(clock or SystemClock(), new_id, grace_seconds)
        self._door = Doorkeeper(token, self._core.channels, lambda: WorkerLink(self._core))
        self._flusher = Flusher()
        self._server: asyncio.Server | None = None
        self._sockets: set[Socket] = set()

    @property
    def host(self) -> Host:
        """The engine as services see it; usable before `start`."""
        return self._core.host

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
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Socket(self._door, self._flusher, self._sockets),
                self._address,
                self._port,
                reuse_address=True,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(self._address, self._port) from error
            raise EngineError(f"cannot listen on {self.url}: {error}") from error
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection, as the reference does at its end."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            while self._sockets:
                socket = next(iter(self._sockets))
                socket.cut()
                await socket.gone.wait()
            await server.wait_closed()
        await self._core.stop()
