"""What has happened, by number: watchers pull, so a slow one holds nothing up."""

from agentfx.jobs import EVENT_FIELDS
from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._messages import ReadEvents
from agentfx.services.dispatch._runs import found
from agentfx.wire import Json

MOST_EVENTS = 5_000
MOST_WAIT_SECONDS = 10.0


class Events:
    """The desk of the watchers."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def read(self, message: ReadEvents, caller: str | None) -> Json:
        """Events of a run after a number, in order; waits for the first if asked to."""
        limit = min(message.limit, MOST_EVENTS)

        def query(t: Transaction) -> list[list[Json]]:
            run_no = found(t, message.run).no if message.run else 0
            return t.jobs.events(run_no, message.after, limit, message.whole)

        deadline = self._core.clock.monotonic() + min(message.wait_seconds, MOST_WAIT_SECONDS)
        while True:
            events = await self._core.store.read(query)
            left = deadline - self._core.clock.monotonic()
            if events or left <= 0:
                return [*events] if message.bare else [_named(event) for event in events]
            await self._core.change(left)


def _named(event: list[Json]) -> Json:
    """What applies to an event, by name."""
    named = zip(EVENT_FIELDS, event, strict=True)
    return {name: value for name, value in named if value is not None}
