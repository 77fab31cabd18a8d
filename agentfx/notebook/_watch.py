"""Keeping a view up to date with a run on an engine."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from agentfx._clock import Clock
from agentfx.cluster import Engine
from agentfx.interpreters import BackendError
from agentfx.jobs import Told
from agentfx.notebook._log import plain
from agentfx.notebook._tables import Row
from agentfx.notebook._view import View

PACE_SECONDS = 0.05
"""Between two looks at a busy run: more often is more than a screen shows."""
MOST_PACE_SECONDS = 0.5
SHARE = 1 / 60
"""Of the time, that a look may take: as a run gets quicker, looks get rarer."""
MOST_EVENTS = 5_000
WHOLE_EVENTS = 100
"""The latest, which a reader of the panel sees one by one."""
WAIT_SECONDS = 5.0
POLL_SECONDS = 0.5
IDLE_POLL_SECONDS = 2.0
MOST_DEAD = 50
MESSAGE_CHARACTERS = 300


_TOLD = partial(tuple.__new__, Told)  # pyright: ignore[reportUnknownMemberType] - of any tuple
"""As `Told._make`, which is a function of Python."""


class Pace:
    """Rests between pieces of work, so that they take but a small share of the time."""

    def __init__(self, clock: Clock, least: float) -> None:
        self._clock, self._least = clock, least
        self._begun = 0.0

    def begin(self) -> None:
        """A piece of work begins."""
        self._begun = self._clock.monotonic()

    async def rest(self) -> None:
        """It is done: wait some multiple of what it took."""
        took = self._clock.monotonic() - self._begun
        await self._clock.sleep(min(max(self._least, took / SHARE), MOST_PACE_SECONDS))


async def read_events(engine: Engine, run: str, after: int) -> list[Told]:
    """Events of a run after a number, some of them."""
    return [*_events(await _columns(engine, {"run": run, "after": after}))]


async def _columns(engine: Engine, asked: dict[str, Any]) -> list[list[Any]]:
    message = {"limit": MOST_EVENTS, "columns": True, **asked}
    columns: list[list[Any]] = await engine.request("run::events", message)
    return columns


def _events(columns: list[list[Any]]) -> Iterator[Told]:
    # One after the other: thousands at once would keep the garbage collector busy.
    return map(_TOLD, zip(*columns, strict=True))


class Following:
    """Gives a view the events of its run.

    Args:
        engine: Where it runs.
        view: Of the run.
        pace: Of the looks.
        told: Called when the view has something new.
    """

    def __init__(self, engine: Engine, view: View, pace: Pace, told: Callable[[], None]) -> None:
        self._engine, self._view, self._pace, self._told = engine, view, pace, told
        self._after = 0
        self._whole: int | None = None

    async def follow(self) -> None:
        """Follow the run until it has ended; it may be cancelled, and called again."""
        while not self._view.is_over:
            if await self._read():
                await self._pace.rest()

    async def finish(self) -> None:
        """Read on to the end of a run that has ended."""
        while not self._view.is_over:
            await self._read()
        if self._view.has_failed:
            row = await self._engine.request("run::get", {"run": self._view.run})
            self._view.failed_at(row["failed_at"])

    async def _read(self) -> bool:
        columns = await _columns(
            self._engine,
            {
                "run": self._view.run, "after": self._after, "whole": self._whole,
                "wait_seconds": WAIT_SECONDS,
            },
        )  # fmt: skip
        self._pace.begin()
        numbers = columns[0] if columns else []
        if len(numbers) < MOST_EVENTS:
            # What happened before is told whole: whether jobs ran while a driver was away shows.
            self._whole = WHOLE_EVENTS
        if numbers:
            self._view.apply(_events(columns))
            self._after = numbers[-1]
            self._told()
        return bool(numbers)


async def look_around(engine: Engine, view: View) -> None:
    """Ask once for what events do not tell: workers, queues, dead letters, who can run it."""
    seen = await engine.request("run::around", {"run": view.run, "limit": MOST_DEAD})
    view.workers(seen["workers"])
    view.replace("queues", queue_rows(seen["queues"]))
    view.replace("dead", dead_rows(seen["dead"]))
    if view.run and not view.is_over:
        view.waiting(no_worker_can=seen["waiting"])


async def keep_looking(engine: Engine, view: View, clock: Clock, told: Callable[[], None]) -> None:
    """Look around for as long as somebody watches; call `told` after each look."""
    while True:
        with suppress(BackendError):  # the engine is away: the next look may find it again
            await look_around(engine, view)
            told()
        await clock.sleep(IDLE_POLL_SECONDS if view.is_over else POLL_SECONDS)


def queue_rows(listed: Iterable[dict[str, Any]]) -> dict[str, Row]:
    """Rows of the table `queues`, by task."""
    return {row["task"]: {k: row[k] for k in ("queued", "running", "dead")} for row in listed}


def dead_rows(listed: Iterable[dict[str, Any]]) -> dict[str, Row]:
    """Rows of the table `dead`, by job, the latest first."""
    rows: dict[str, Row] = {}
    for row in sorted(listed, key=lambda row: -row["died_at"]):
        rows[row["id"]] = {
            "run": row["run"], "path": row["path"], "task": row["task"],
            "reason": row["reason"], "died_at": row["died_at"], "redrivable": row["redrivable"],
            "message": plain(str(row["message"] or ""))[:MESSAGE_CHARACTERS],
            "input": plain(json.dumps(row["input"]))[:MESSAGE_CHARACTERS],
        }  # fmt: skip
    return rows
