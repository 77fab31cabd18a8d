"""Jobs and events in SQLite."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agentfx.jobs import Job, LossKind
from agentfx.services._run_rows import DeadRow, EventRow, OpenRow, Settled, SettledJob
from agentfx.services._sqlite._events import last_event, read_events, read_output
from agentfx.wire import Json

_JOB = (
    "j.id, r.id, j.path, j.attempt, j.task, j.input, j.key, j.idx, j.label, j.at_most_once, "
    "j.timeout, j.code"
)
_JOINED = "jobs j JOIN runs r ON r.no = j.run_no"
_SETTLED = "id, path, attempt, task, input, state, outcome"
_DEAD = (
    f"SELECT {_JOB}, j.outcome, j.passed, (SELECT max(e.at) FROM events e "
    "WHERE e.run_no = j.run_no AND e.job_no = j.no AND e.type = 'job_dead'), "
    "EXISTS (SELECT 1 FROM steps s WHERE s.run_no = j.run_no "
    "AND s.path = j.path || '#' || j.attempt), r.status, r.failed_at "
    f"FROM {_JOINED} WHERE j.state = 'dead'"
)
_ADD = (
    "INSERT INTO jobs (id, run_no, path, attempt, idx, label, task, input, key, "
    "at_most_once, timeout, code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET state = 'open', voided = deliveries WHERE state = 'cancelled' "
    "RETURNING deliveries"
)
_RECORD = (
    "INSERT INTO events (run_no, at, type, job_no, fields) "
    "SELECT run_no, ?, ?, no, ? FROM jobs WHERE id = ?"
)
CHUNK = 500
"""Ids in one statement; SQLite allows 32,766 parameters, older builds 999."""


@dataclass(frozen=True, slots=True)
class SqliteJobs:
    """Implements `JobRows`."""

    connection: sqlite3.Connection

    def add(self, run_no: int, jobs: Sequence[Job]) -> list[tuple[Job, int]]:
        """See `JobRows.add`."""
        new: list[tuple[Job, int]] = []
        for job in jobs:
            added = self.connection.execute(
                _ADD,
                (
                    job.id, run_no, job.path, job.attempt, job.index, job.label, job.task,
                    job.input, job.key, job.at_most_once, job.timeout_seconds, job.code,
                ),
            ).fetchone()  # fmt: skip
            if added is not None:
                new.append((job, added[0]))
        return new

    def settled(self, ids: Sequence[str]) -> list[SettledJob]:
        """See `JobRows.settled`."""
        found = self._by_ids(f"SELECT {_SETTLED} FROM jobs WHERE state != 'open' AND id", ids)
        return [SettledJob(*row) for row in found if row[5] != "cancelled"]

    def known(self, ids: Sequence[str]) -> set[str]:
        """See `JobRows.known`."""
        return {row[0] for row in self._by_ids("SELECT id FROM jobs WHERE id", ids)}

    def is_over(self, job: str) -> bool:
        """See `JobRows.is_over`."""
        ended = "SELECT 1 FROM jobs WHERE state != 'open' AND id = ?"
        return self.connection.execute(ended, (job,)).fetchone() is not None

    def started(self, job: str, delivery: int, worker: str, *, alone: bool) -> None:
        """See `JobRows.started`."""
        self.connection.execute(
            "UPDATE jobs SET deliveries = max(deliveries, ?), holder = ?, alone = ? WHERE id = ?",
            (delivery, worker, alone, job),
        )

    def lost(self, job: str, counted: LossKind | None) -> None:
        """See `JobRows.lost`."""
        self.connection.execute(
            "UPDATE jobs SET holder = NULL, shared_losses = shared_losses + ?, "
            "lone_losses = lone_losses + ? WHERE id = ?",
            (counted == "shared", counted == "alone", job),
        )

    def settle(
        self, job: str, state: Settled, outcome: str | None, delivery: int | None = None
    ) -> bool:
        """See `JobRows.settle`."""
        done = self.connection.execute(
            "UPDATE jobs SET state = ?, outcome = ?, holder = NULL "
            "WHERE id = ? AND state = 'open' AND voided < coalesce(?, voided + 1)",
            (state, outcome, job, delivery),
        )
        return done.rowcount == 1

    def forsake(self, job: str, outcome: str) -> bool:
        """See `JobRows.forsake`."""
        done = self.connection.execute(
            "UPDATE jobs SET state = 'dead', outcome = ? "
            "WHERE id = ? AND state = 'cancelled' AND deliveries > voided",
            (outcome, job),
        )
        return done.rowcount == 1

    def of_run(self, run_no: int, after: int, limit_bytes: int) -> tuple[list[SettledJob], int]:
        """See `JobRows.of_run`."""
        rows = self.connection.execute(
            f"SELECT no, {_SETTLED} FROM jobs WHERE run_no = ? AND no > ? "
            "AND state IN ('done', 'dead') ORDER BY no",
            (run_no, after),
        )
        page: list[SettledJob] = []
        size, cursor = 0, after
        for no, *row in rows:
            settled = SettledJob(*row)
            page.append(settled)
            size += len(settled.input) + len(settled.outcome or "") + 200
            cursor = no
            if size > limit_bytes:
                break
        return page, cursor

    def open_of_run(self, run_no: int) -> list[str]:
        """See `JobRows.open_of_run`."""
        rows = self.connection.execute(
            "SELECT id FROM jobs WHERE run_no = ? AND state = 'open'", (run_no,)
        )
        return [row[0] for row in rows]

    def open(self) -> list[OpenRow]:
        """See `JobRows.open`."""
        rows = self.connection.execute(
            f"SELECT {_JOB}, j.deliveries, j.holder, j.alone, j.shared_losses, "
            f"j.lone_losses, j.run_no, j.voided FROM {_JOINED} WHERE j.state = 'open' ORDER BY j.no"
        )
        return [
            OpenRow(row[17], _job(row), row[12], row[18], row[13], bool(row[14]), row[15], row[16])
            for row in rows
        ]

    def fetch(self, ids: Sequence[str]) -> list[Job]:
        """See `JobRows.fetch`."""
        found = self._by_ids(f"SELECT {_JOB} FROM {_JOINED} WHERE j.id", ids)
        return [_job(row) for row in found]

    def dead(self, limit: int) -> list[DeadRow]:
        """See `JobRows.dead`."""
        rows = self.connection.execute(f"{_DEAD} ORDER BY j.no LIMIT ?", (limit,))
        return [_dead(row) for row in rows]

    def dead_one(self, job: str) -> DeadRow | None:
        """See `JobRows.dead_one`."""
        row = self.connection.execute(f"{_DEAD} AND j.id = ?", (job,)).fetchone()
        return None if row is None else _dead(row)

    def state_of(self, job: str) -> str | None:
        """See `JobRows.state_of`."""
        row = self.connection.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()
        return None if row is None else str(row[0])

    def recode(self, job: Job) -> bool:
        """See `JobRows.recode`."""
        changed = self.connection.execute(
            "UPDATE jobs SET code = ?1 WHERE id = ?2 AND state = 'open' AND code != ?1",
            (job.code, job.id),
        )
        return changed.rowcount > 0

    def revive(self, job: str, code: str | None) -> int:
        """See `JobRows.revive`."""
        row = self.connection.execute(
            "UPDATE jobs SET state = 'open', outcome = NULL, voided = deliveries, "
            "shared_losses = 0, lone_losses = 0, passed = 0, code = ? "
            "WHERE id = ? AND state = 'dead' RETURNING deliveries",
            (code, job),
        ).fetchone()
        return int(row[0])

    def forget(self, job: str) -> None:
        """See `JobRows.forget`."""
        self.connection.execute(
            "UPDATE jobs SET state = 'done' WHERE id = ? AND state = 'dead'", (job,)
        )

    def pass_by(self, run_no: int, path: str) -> None:
        """See `JobRows.pass_by`."""
        self.connection.execute(
            "UPDATE jobs SET passed = 1 WHERE run_no = ? AND path = ? AND state = 'dead'",
            (run_no, path),
        )

    def replayed(self, run_no: int, at: float) -> None:
        """See `JobRows.replayed`."""
        execute = self.connection.execute
        execute("DELETE FROM events WHERE run_no = ? AND type = 'step_replayed'", (run_no,))
        execute(
            "INSERT INTO events (run_no, at, type, fields) SELECT run_no, ?, 'step_replayed', "
            "json_object('path', path, 'label', what) FROM steps WHERE run_no = ? "
            "AND instr(path, '#') = 0 AND substr(path, -1) != '~' ORDER BY path",
            (at, run_no),
        )
        execute(
            "INSERT INTO events (run_no, at, type, job_no) SELECT run_no, ?, 'step_replayed', no "
            "FROM jobs WHERE run_no = ? AND state = 'done' ORDER BY no",
            (at, run_no),
        )

    def record(self, events: Sequence[EventRow]) -> int:
        """See `JobRows.record`."""
        last = 0
        for event in events:
            fields = None if event.fields is None else orjson.dumps(event.fields).decode()
            if event.job is not None:
                row = self.connection.execute(_RECORD, (event.at, event.type, fields, event.job))
            else:
                row = self.connection.execute(
                    "INSERT INTO events (run_no, at, type, fields) VALUES (?, ?, ?, ?)",
                    (event.run_no, event.at, event.type, fields),
                )
            last = row.lastrowid or last
        return last

    def events(
        self, run_no: int, after: int, limit: int, whole: int | None = None
    ) -> list[list[Json]]:
        """See `JobRows.events`."""
        return read_events(self.connection, run_no, after, limit, whole)

    def output(self, run_no: int, after: int) -> tuple[int, list[list[Json]]]:
        """See `JobRows.output`."""
        return read_output(self.connection, run_no, after)

    def last_event(self) -> int:
        """See `JobRows.last_event`."""
        return last_event(self.connection)

    def counts(self) -> list[tuple[str, str, int]]:
        """See `JobRows.counts`."""
        return self.connection.execute(
            "SELECT task, state, count(*) FROM jobs WHERE state = 'open' GROUP BY task "
            "UNION ALL SELECT task, state, count(*) FROM jobs WHERE state = 'dead' GROUP BY task"
        ).fetchall()

    def _by_ids(self, query: str, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(ids), CHUNK):
            some = list(ids[start : start + CHUNK])
            yield from self.connection.execute(f"{query} IN ({','.join('?' * len(some))})", some)


def _job(row: tuple[Any, ...]) -> Job:
    job_id, run, path, attempt, task, text, key, index, label, once, timeout, code = row[:12]
    return Job(job_id, run, path, attempt, task, text, key, index, label, bool(once), timeout, code)


def _dead(row: tuple[Any, ...]) -> DeadRow:
    outcome, passed, died_at, noted, status, failed_at = row[12:]
    return DeadRow(_job(row), outcome, bool(passed), died_at or 0.0, bool(noted), status, failed_at)
