"""What a model says while it says it, on its way to whoever watches."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from agentfx._clock import Clock
from agentfx.interpreters import Ask, BackendError

SHOW_SECONDS = 0.05


class Shown:
    """Sends pieces of text on, some at a time; whatever goes wrong here is of no account.

    Args:
        ask: How the services are asked.
        clock: The time.
        session: Whose model call it is.
        attempt: Which one; watchers drop the pieces of another.
    """

    def __init__(self, ask: Ask, clock: Clock, session: str, attempt: str) -> None:
        self._ask, self._clock, self._session, self._attempt = ask, clock, session, attempt
        self._parts: list[Mapping[str, Any]] = []
        self._sending: asyncio.Task[None] | None = None

    def take(self, part: Mapping[str, Any]) -> None:
        """A piece of text."""
        self._parts.append(part)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        while self._parts:
            parts, self._parts = self._parts, []
            message = {"session": self._session, "attempt": self._attempt, "parts": parts}
            with suppress(BackendError):
                await self._ask("agentfx::session::delta", message)
            await self._clock.sleep(SHOW_SECONDS)

    async def __aenter__(self) -> "Shown":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Nobody waits for the rest: the answer itself comes with the log.
        if self._sending is not None:
            self._sending.cancel()
