"""Sessions in SQLite."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentfx.services._session_rows import CallRow, LogRow, SessionRow, Spent

_SESSION = (
    "no, id, run_no, agent, code, policy, results, epoch, head, chain, wakes, wake, wake_head, "
    "due_at, budget, purse, parent, parent_seq, created_at"
)
_EVENT = "seq, at, writer, epoch, kind, key, body, stimulus, reacting_to, hash"
_CALL = "session_no, call, tool, state, job, request, deadline"


@dataclass(frozen=True, slots=True)
class SqliteSessions:
    """Implements `SessionRows`."""

    connection: sqlite3.Connection

    def find(self, session: str) -> SessionRow | None:
        """See `SessionRows.find`."""
        return self._session("id = ?", session)

    def by_no(self, no: int) -> SessionRow:
        """See `SessionRows.by_no`."""
        found = self._session("no = ?", no)
        if found is None:
            raise LookupError(f"no session with number {no}")
        return found

    def by_wake(self, job: str) -> SessionRow | None:
        """See `SessionRows.by_wake`."""
        return self._session("wake = ?", job)

    def _session(self, where: str, value: str | int) -> SessionRow | None:
        row = self.connection.execute(
            f"SELECT {_SESSION} FROM sessions WHERE {where}",
            (value,),
        ).fetchone()
        return None if row is None else _session_row(row)

    def add(self, session: SessionRow) -> int:
        """See `SessionRows.add`."""
        columns = _SESSION.removeprefix("no, ")
        marks = ", ".join("?" * (columns.count(",") + 1))
        values = (getattr(session, name) for name in columns.split(", "))
        added = self.connection.execute(
            f"INSERT INTO sessions ({columns}) VALUES ({marks})",
            tuple(values),
        )
        return added.lastrowid or 0

    def update(self, session: SessionRow) -> None:
        """See `SessionRows.update`."""
        self.connection.execute(
            "UPDATE sessions SET agent = ?, code = ?, policy = ?, results = ?, epoch = ?, "
            "head = ?, chain = ?, wakes = ?, wake = ?, wake_head = ?, due_at = ?, "
            "budget = ? WHERE no = ?",
            (
                session.agent, session.code, session.policy, session.results, session.epoch,
                session.head, session.chain, session.wakes, session.wake, session.wake_head,
                session.due_at, session.budget, session.no,
            ),
        )  # fmt: skip

    def all(self, limit: int) -> list[SessionRow]:
        """See `SessionRows.all`."""
        rows = self.connection.execute(
            f"SELECT {_SESSION} FROM sessions ORDER BY no DESC LIMIT ?",
            (limit,),
        )
        return [_session_row(row) for row in rows]

    def run_numbers(self) -> list[int]:
        """See `SessionRows.run_numbers`."""
        return [row[0] for row in self.connection.execute("SELECT run_no FROM sessions")]

    def append(self, no: int, events: Sequence[LogRow]) -> None:
        """See `SessionRows.append`."""
        self.connection.executemany(
            f"INSERT INTO session_events (session_no, {_EVENT}) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    no, e.seq, e.at, e.writer, e.epoch, e.kind, e.key, e.body, e.stimulus,
                    e.reacting_to, e.hash,
                )
                for e in events
            ],
        )  # fmt: skip

    def keyed(self, no: int, key: str) -> LogRow | None:
        """See `SessionRows.keyed`."""
        row = self.connection.execute(
            f"SELECT {_EVENT} FROM session_events WHERE session_no = ? AND key = ?",
            (no, key),
        ).fetchone()
        return None if row is None else _log_row(row)

    def events(self, no: int, after: int, limit: int, limit_bytes: int) -> list[LogRow]:
        """See `SessionRows.events`."""
        rows = self.connection.execute(
            f"SELECT {_EVENT} FROM session_events WHERE session_no = ? AND seq > ? "
            "ORDER BY seq LIMIT ?",
            (no, after, limit),
        )
        page: list[LogRow] = []
        size = 0
        for row in rows:
            page.append(_log_row(row))
            size += len(page[-1].body) + 200
            if size > limit_bytes:
                break
        return page

    def watermarks(self, no: int) -> tuple[int, int]:
        """See `SessionRows.watermarks`."""
        row = self.connection.execute(
            "SELECT (SELECT max(seq) FROM session_events WHERE session_no = ?1 AND stimulus = 1), "
            "(SELECT max(reacting_to) FROM session_events "
            "WHERE session_no = ?1 AND reacting_to IS NOT NULL)",
            (no,),
        ).fetchone()
        return row[0] or 0, row[1] or 0

    def last_message(self, no: int) -> int:
        """See `SessionRows.last_message`."""
        row = self.connection.execute(
            "SELECT seq FROM session_events WHERE session_no = ? AND stimulus = 1 "
            "AND kind != 'tool_result' ORDER BY seq DESC LIMIT 1",
            (no,),
        ).fetchone()
        return row[0] if row else 0

    def copy(self, source: int, target: int, upto: int) -> None:
        """See `SessionRows.copy`."""
        self.connection.execute(
            f"INSERT INTO session_events (session_no, {_EVENT}) SELECT ?, {_EVENT} "
            "FROM session_events WHERE session_no = ? AND seq <= ?",
            (target, source, upto),
        )

    def add_call(self, call: CallRow) -> None:
        """See `SessionRows.add_call`."""
        self.connection.execute(
            f"INSERT INTO session_calls ({_CALL}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                call.session_no, call.call, call.tool, call.state, call.job, call.request,
                call.deadline,
            ),
        )  # fmt: skip

    def call(self, no: int, call: str) -> CallRow | None:
        """See `SessionRows.call`."""
        found = self._calls("session_no = ? AND call = ?", (no, call))
        return found[0] if found else None

    def call_of_job(self, job: str) -> CallRow | None:
        """See `SessionRows.call_of_job`."""
        found = self._calls("job = ?", (job,))
        return found[0] if found else None

    def open_calls(self, no: int) -> list[CallRow]:
        """See `SessionRows.open_calls`."""
        return self._calls("session_no = ? AND state != 'closed'", (no,))

    def overdue(self, now: float) -> list[CallRow]:
        """See `SessionRows.overdue`."""
        return self._calls("state != 'closed' AND deadline IS NOT NULL AND deadline <= ?", (now,))

    def _calls(self, where: str, values: tuple[Any, ...]) -> list[CallRow]:
        rows = self.connection.execute(
            f"SELECT {_CALL} FROM session_calls WHERE {where}",
            values,
        )
        return [CallRow(*row) for row in rows]

    def set_call(self, call: CallRow) -> None:
        """See `SessionRows.set_call`."""
        self.connection.execute(
            "UPDATE session_calls SET state = ?, job = ?, deadline = ? "
            "WHERE session_no = ? AND call = ? AND state != 'closed'",
            (call.state, call.job, call.deadline, call.session_no, call.call),
        )

    def close_call(self, no: int, call: str) -> bool:
        """See `SessionRows.close_call`."""
        closed = self.connection.execute(
            "UPDATE session_calls SET state = 'closed' "
            "WHERE session_no = ? AND call = ? AND state != 'closed'",
            (no, call),
        )
        return closed.rowcount == 1

    def due(self, now: float) -> list[SessionRow]:
        """See `SessionRows.due`."""
        rows = self.connection.execute(
            f"SELECT {_SESSION} FROM sessions WHERE due_at IS NOT NULL AND due_at <= ?",
            (now,),
        )
        return [_session_row(row) for row in rows]

    def reserve(self, purse: str, attempt: str, amount: float) -> None:
        """See `SessionRows.reserve`."""
        self.connection.execute(
            "INSERT OR IGNORE INTO session_costs (purse, attempt, reserved) VALUES (?, ?, ?)",
            (purse, attempt, amount),
        )

    def book(self, purse: str, attempt: str, amount: float) -> None:
        """See `SessionRows.book`."""
        self.connection.execute(
            "INSERT INTO session_costs (purse, attempt, reserved, booked) "
            "VALUES (?, ?, 0, ?) ON CONFLICT (purse, attempt) DO UPDATE SET booked = ?",
            (purse, attempt, amount, amount),
        )

    def spent(self, purse: str) -> Spent:
        """See `SessionRows.spent`."""
        row = self.connection.execute(
            "SELECT sum(booked), sum(CASE WHEN booked IS NULL THEN reserved END) "
            "FROM session_costs WHERE purse = ?",
            (purse,),
        ).fetchone()
        return Spent(row[0] or 0.0, row[1] or 0.0)

    def put_blob(self, digest: str, data: bytes) -> None:
        """See `SessionRows.put_blob`."""
        self.connection.execute(
            "INSERT OR IGNORE INTO session_blobs (hash, data) VALUES (?, ?)", (digest, data)
        )

    def blob(self, digest: str) -> bytes | None:
        """See `SessionRows.blob`."""
        row = self.connection.execute(
            "SELECT data FROM session_blobs WHERE hash = ?", (digest,)
        ).fetchone()
        return row[0] if row else None


def _session_row(row: tuple[Any, ...]) -> SessionRow:
    return SessionRow(*row)


def _log_row(row: tuple[Any, ...]) -> LogRow:
    values = list(row)
    values[7] = bool(values[7])
    return LogRow(*values)
