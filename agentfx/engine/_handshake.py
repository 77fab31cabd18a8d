"""Who may open a WebSocket connection, and to what."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

from websockets.http11 import Request

from agentfx.engine._channels import ChannelEnd, Channels
from agentfx.engine._socket import Receiver, Refusal, Socket

WORKERS, TELEMETRY, CHANNELS = "/", "/otel", "/ws/channels/"


class Telemetry:
    """Ignores what a client reports about itself; a `Receiver`."""

    def opened(self, socket: Socket) -> None:
        """See `Receiver.opened`."""

    def received(self, message: bytes, *, text: bool) -> None:
        """See `Receiver.received`."""

    def drained(self) -> None:
        """See `Receiver.drained`."""

    def closed(self) -> None:
        """See `Receiver.closed`."""


class Doorkeeper:
    """Refuses what may not connect, with one line that says why; a `Door`.

    Args:
        token: What clients must present, None for nothing.
        channels: Those that exist.
        worker: Makes whoever talks to a worker.
    """

    def __init__(
        self, token: str | None, channels: Channels, worker: Callable[[], Receiver]
    ) -> None:
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._channels, self._worker = channels, worker

    def admit(self, request: Request) -> Receiver | Refusal:
        """See `Door.admit`."""
        if request.headers.get_all("Origin"):
            return HTTPStatus.FORBIDDEN, "Web pages may not connect: the request has an Origin.\n"
        if not self._knows_token(request):
            text = (
                "The token is missing or wrong: send `Authorization: Bearer TOKEN`"
                " (iii SDKs take it from III_TOKEN).\n"
            )
            return HTTPStatus.UNAUTHORIZED, text
        path, _, query = request.path.partition("?")
        if path == WORKERS:
            return self._worker()
        if path == TELEMETRY:
            return Telemetry()
        end = self._channel_end(path, parse_qs(query))
        return end or (HTTPStatus.NOT_FOUND, "There is nothing here.\n")

    def _channel_end(self, path: str, query: dict[str, list[str]]) -> ChannelEnd | None:
        if not path.startswith(CHANNELS):
            return None
        key, direction = query.get("key", [""])[0], query.get("dir", [""])[0]
        return self._channels.find(path.removeprefix(CHANNELS), key, direction)

    def _knows_token(self, request: Request) -> bool:
        if self._expected is None:
            return True
        given = request.headers.get_all("Authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].strip().partition(" ")
        presented = f"{scheme.capitalize()} {token.strip()}".encode(errors="replace")
        return hmac.compare_digest(presented, self._expected)
