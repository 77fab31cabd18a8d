"""What is kept, and for how long: ended runs, and with them steps, jobs, events and code."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._messages import Prune
from agentfx.wire import Json

DAY_SECONDS = 86_400.0
GRACE_SECONDS = 3_600.0
"""Code that was brought later than this is kept: its run may not have sent a job yet."""

DropCode: TypeAlias = Callable[[set[str], float], None]
"""Deletes the versions of drivers' code but some, and but those used after a time (wall)."""


class Retention:
    """Deletes what is too old or too much.

    Args:
        core: Of the services.
        drop_code: Where drivers' code lies on this machine; None where none does.
    """

    def __init__(self, core: Core, drop_code: DropCode | None) -> None:
        self._core, self._drop_code = core, drop_code

    async def prune(self, message: Prune, caller: str | None) -> Json:
        """Delete old ended runs; how many went."""
        gone, codes = await self._core.write(lambda t: self.sweep(t, message))
        await self.drop_code(codes, message)
        return gone

    def sweep(self, t: Transaction, message: Prune) -> tuple[int, set[str]]:
        """Delete rows; how many runs went, and the versions of code that the others need."""
        gone = t.runs.prune(message.keep, self._before(message))
        return gone, t.runs.codes()

    async def drop_code(self, kept: set[str], message: Prune) -> None:
        """Delete the code that no run needs any more."""
        if self._drop_code is not None:
            before = min(self._before(message), self._core.clock.wall() - GRACE_SECONDS)
            await asyncio.to_thread(self._drop_code, kept, before)

    def _before(self, message: Prune) -> float:
        return self._core.clock.wall() - message.days * DAY_SECONDS
