"""What has happened, by number: watchers pull, so a slow one holds nothing up."""

from agentfx.jobs import EVENT_FIELDS
from agentfx.services._store import Transaction
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._messages import ReadEvents, ReadOutput
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
        core, limit = self._core, min(message.limit, MOST_EVENTS)

        def query(t: Transaction) -> list[list[Json]]:
            run_no = found(t, message.run).no if message.run else 0
            return t.jobs.events(run_no, message.after, limit, message.whole)

        seconds = min(message.wait_seconds, MOST_WAIT_SECONDS)
        events = await core.recorded.until(
            lambda: core.store.read(query), bool, core.clock, seconds
        )
        if message.columns:
            return [list(column) for column in zip(*events, strict=True)]
        return [_named(event) for event in events]

    async def output(self, message: ReadOutput, caller: str | None) -> Json:
        """What tasks of a run print, and the event to go on after; nothing but that wakes it."""
        core = self._core

        def query(t: Transaction) -> tuple[int, list[list[Json]]]:
            if message.after is None:
                return t.jobs.last_event(), []
            run = t.runs.find(message.run)
            return (message.after, []) if run is None else t.jobs.output(run.no, message.after)

        seconds = 0.0 if message.after is None else min(message.wait_seconds, MOST_WAIT_SECONDS)
        after, pieces = await core.printed.until(
            lambda: core.store.read(query), lambda seen: seen[1], core.clock, seconds
        )
        return {"after": after, "pieces": pieces}


def _named(event: list[Json]) -> Json:
    """What applies to an event, by name."""
    named = zip(EVENT_FIELDS, event, strict=True)
    return {name: value for name, value in named if value is not None}
