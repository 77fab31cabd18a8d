"""Keeping a view up to date with a run on an engine."""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from agentfx._clock import Clock
from agentfx.cluster import Engine
from agentfx.interpreters import BackendError
from agentfx.notebook._log import plain
from agentfx.notebook._tables import Row
from agentfx.notebook._view import View

PACE_SECONDS = 0.05
"""Between two looks at a busy run: more often is more than a screen shows."""
WAIT_SECONDS = 5.0
POLL_SECONDS = 0.5
IDLE_POLL_SECONDS = 2.0
MOST_DEAD = 50
MESSAGE_CHARACTERS = 300


async def follow(engine: Engine, view: View, clock: Clock) -> None:
    """Give a view the events of its run until the run has ended."""
    after = 0
    while not view.is_over:
        rows = await engine.events(view.run, after, WAIT_SECONDS)
        if rows:
            view.apply(rows)
            after = rows[-1]["seq"]
            await clock.sleep(PACE_SECONDS)
    row = await engine.request("run::get", {"run": view.run})
    if row is not None and row["status"] == "failed":
        view.failed_at(row["failed_at"])


async def look_around(engine: Engine, view: View) -> None:
    """Ask once for what events do not tell: workers, queues, dead letters, who can run it."""
    asked = [
        engine.request(name, data)
        for name, data in (
            ("workers::list", {}),
            ("queues::list", {}),
            ("dead::list", {"limit": MOST_DEAD}),
        )
    ]
    workers, queues, dead = await asyncio.gather(*asked)
    view.workers(workers)
    view.replace("queues", queue_rows(queues))
    view.replace("dead", dead_rows(dead))
    if view.run and not view.is_over:
        row = await engine.request("run::get", {"run": view.run})
        if row is not None:
            view.waiting(no_worker_can=row["status"] == "waiting")


async def keep_looking(engine: Engine, view: View, clock: Clock) -> None:
    """Look around for as long as somebody watches."""
    while True:
        with suppress(BackendError):  # the engine is away: the next look may find it again
            await look_around(engine, view)
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
