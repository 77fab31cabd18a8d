"""Who has which function on an engine, as its listings say."""

from collections.abc import Callable

from agentfx._clock import Clock
from agentfx.backends import CallError, Connection
from agentfx.services import DEFAULT_NAMESPACE
from agentfx.wire import Json

BOUND_POLL_SECONDS = 0.005
Changed = Callable[[list[tuple[str, str]], set[str]], None]
"""Called with (namespace, id) of new functions, and with the ids of those that are gone."""


class Registry:
    """The functions of others, as of the last time they were read.

    Args:
        connection: To the engine; its own functions do not count.
        on_change: See `Changed`.
    """

    def __init__(self, connection: Connection, on_change: Changed) -> None:
        self._connection, self._on_change = connection, on_change
        self._others: set[tuple[str, str]] = set()
        self._types: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether somebody else has a function or a trigger type of this id."""
        return (DEFAULT_NAMESPACE, name) in self._others or name in self._types

    def missed(self, namespace: str, function_id: str) -> None:
        """Nobody serves a function now: when it is read again it is a new one."""
        self._others.discard((namespace, function_id))

    async def read(self) -> None:
        """Ask for all functions and trigger types."""
        listing = await self._ask("engine::functions::list", {"include_internal": True})
        self._take(listing["functions"])
        listing = await self._ask("engine::triggers::list", {"include_internal": True})
        self._types = {row["id"] for row in listing["triggers"] if not self._is_ours(row)}

    def _take(self, rows: Json) -> None:
        now = {
            (row.get("namespace") or DEFAULT_NAMESPACE, row["function_id"])
            for row in rows
            if not self._is_ours(row)
        }
        before, self._others = self._others, now
        self._on_change(sorted(now - before), {name for _, name in before - now})

    def _is_ours(self, row: Json) -> bool:
        return bool(row.get("worker_name") == self._connection.name)

    async def with_prefix(self, prefix: str) -> list[str]:
        """Ids of functions, ours as well, that start with something."""
        query = {"prefix": prefix, "include_internal": True}
        listing = await self._ask("engine::functions::list", query)
        return [row["function_id"] for row in listing["functions"]]

    async def owner(self, function_id: str) -> str | None:
        """Name of the worker that has a function, None if nobody has it."""
        try:
            row = await self._ask("engine::functions::info", {"function_id": function_id})
        except CallError:
            return None
        return str(row.get("worker_name") or "")

    async def bound(self, function_id: str, clock: Clock) -> None:
        """Wait until a trigger calls a function: engines say nothing when they took it on."""
        query = {"function_id": function_id, "include_internal": True}
        while True:
            listing = await self._ask("engine::registered-triggers::list", query)
            if listing["registered_triggers"]:
                return
            await clock.sleep(BOUND_POLL_SECONDS)

    async def _ask(self, function_id: str, data: Json) -> Json:
        return await self._connection.call_within(function_id, data)
