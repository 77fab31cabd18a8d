"""Who may open a WebSocket connection, and to what."""

import hmac
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from agentfx.engine._channels import ChannelEnd, Channels

WORKERS, TELEMETRY, CHANNELS = "/", "/otel", "/ws/channels/"


class Doorkeeper:
    """Refuses what may not connect, with one line that says why.

    Args:
        token: What clients must present, None for nothing.
        channels: Those that exist.
    """

    def __init__(self, token: str | None, channels: Channels) -> None:
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._channels = channels

    def __call__(self, socket: ServerConnection, request: Request) -> Response | None:
        """The refusal, or None to let a client in."""
        if request.headers.get_all("Origin"):
            return socket.respond(
                HTTPStatus.FORBIDDEN, "Web pages may not connect: the request has an Origin.\n"
            )
        if not self._knows_token(request):
            return socket.respond(
                HTTPStatus.UNAUTHORIZED,
                "The token is missing or wrong: send `Authorization: Bearer TOKEN`"
                " (iii SDKs take it from III_TOKEN).\n",
            )
        path = urlsplit(request.path).path or WORKERS
        if path in (WORKERS, TELEMETRY) or self.channel_end(request.path) is not None:
            return None
        return socket.respond(HTTPStatus.NOT_FOUND, "There is nothing here.\n")

    def channel_end(self, path: str) -> ChannelEnd | None:
        """The end of a channel that a path gives access to, if any."""
        parts = urlsplit(path)
        if not parts.path.startswith(CHANNELS):
            return None
        query = parse_qs(parts.query)
        key, direction = query.get("key", [""])[0], query.get("dir", [""])[0]
        return self._channels.find(parts.path.removeprefix(CHANNELS), key, direction)

    def _knows_token(self, request: Request) -> bool:
        if self._expected is None:
            return True
        given = request.headers.get_all("Authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].strip().partition(" ")
        presented = f"{scheme.capitalize()} {token.strip()}".encode()
        return hmac.compare_digest(presented, self._expected)
