"""Runs, their journals and the roster of workers, in SQLite."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentfx.jobs import fence_scope, identity_of
from agentfx.services._run_rows import RosterRow, RunRow, RunStatus, StepRow

_RUN = (
    "no, id, program, fingerprint, epoch, life, driver, status, exit, failed_at, started_at, "
    "ended_at"
)


@dataclass(frozen=True, slots=True)
class SqliteRuns:
    """Implements `RunRows`."""

    connection: sqlite3.Connection

    def find(self, run: str) -> RunRow | None:
        """See `RunRows.find`."""
        row = self.connection.execute(f"SELECT {_RUN} FROM runs WHERE id = ?", (run,)).fetchone()
        return RunRow(*row) if row else None

    def add(self, run: RunRow) -> int:
        """See `RunRows.add`."""
        added = self.connection.execute(
            "INSERT INTO runs (id, program, fingerprint, epoch, driver, status, started_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                run.id,
                run.program,
                run.fingerprint,
                run.epoch,
                run.driver,
                run.status,
                run.started_at,
            ),
        )  # fmt: skip
        return added.lastrowid or 0

    def take_over(self, no: int, driver: str) -> int:
        """See `RunRows.take_over`."""
        row = self.connection.execute(
            "UPDATE runs SET epoch = epoch + 1, driver = ? WHERE no = ? RETURNING epoch",
            (driver, no),
        ).fetchone()
        return int(row[0])

    def start_over(self, no: int, fingerprint: str, program: str | None, at: float) -> None:
        """See `RunRows.start_over`."""
        self._drop_fences(no)
        for table in ("steps", "jobs", "events", "run_code"):
            self.connection.execute(f"DELETE FROM {table} WHERE run_no = ?", (no,))
        self.connection.execute(
            "UPDATE runs SET life = life + 1, status = 'running', exit = NULL, failed_at = NULL, "
            "ended_at = NULL, fingerprint = ?, program = ?, started_at = ? WHERE no = ?",
            (fingerprint, program, at, no),
        )

    def release(self, no: int, epoch: int) -> None:
        """See `RunRows.release`."""
        self.connection.execute(
            "UPDATE runs SET driver = '' WHERE no = ? AND epoch = ?", (no, epoch)
        )

    def settle(
        self, no: int, status: RunStatus, exit_: str | None, failed_at: str | None, at: float
    ) -> bool:
        """See `RunRows.settle`."""
        done = self.connection.execute(
            "UPDATE runs SET status = ?, exit = ?, failed_at = ?, ended_at = ?, driver = '' "
            "WHERE no = ? AND status = 'running'",
            (status, exit_, failed_at, at, no),
        )
        return done.rowcount == 1

    def reopen(self, no: int) -> None:
        """See `RunRows.reopen`."""
        self.connection.execute(
            "UPDATE runs SET status = 'running', exit = NULL, failed_at = NULL, ended_at = NULL "
            "WHERE no = ?",
            (no,),
        )

    def recent(self, limit: int) -> list[RunRow]:
        """See `RunRows.recent`."""
        rows = self.connection.execute(
            f"SELECT {_RUN} FROM runs WHERE fingerprint != 'session' ORDER BY no DESC LIMIT ?",
            (limit,),
        )
        return [RunRow(*row) for row in rows]

    def put_steps(self, no: int, steps: Sequence[StepRow]) -> list[tuple[StepRow, bool]]:
        """See `RunRows.put_steps`."""
        winners: list[tuple[StepRow, bool]] = []
        for step in steps:
            put = self.connection.execute(
                "INSERT OR IGNORE INTO steps (run_no, path, what, value) VALUES (?, ?, ?, ?)",
                (no, step.path, step.what, step.value),
            )
            new = put.rowcount == 1
            winners.append((step if new else self._step(no, step.path), new))
        return winners

    def _step(self, no: int, path: str) -> StepRow:
        row = self.connection.execute(
            "SELECT path, what, value FROM steps WHERE run_no = ? AND path = ?", (no, path)
        ).fetchone()
        return StepRow(*row)

    def steps(self, no: int, after: str, limit_bytes: int) -> list[StepRow]:
        """See `RunRows.steps`."""
        rows = self.connection.execute(
            "SELECT path, what, value FROM steps WHERE run_no = ? AND path > ? ORDER BY path",
            (no, after),
        )
        page: list[StepRow] = []
        size = 0
        for row in rows:
            page.append(StepRow(*row))
            size += len(row[2]) + 100
            if size > limit_bytes:
                break
        return page

    def drop_steps(self, no: int, paths: Iterable[str]) -> None:
        """See `RunRows.drop_steps`."""
        self.connection.executemany(
            "DELETE FROM steps WHERE run_no = ? AND path = ?", [(no, path) for path in paths]
        )

    def needs(self, no: int, codes: Iterable[str]) -> None:
        """See `RunRows.needs`."""
        self.connection.executemany(
            "INSERT OR IGNORE INTO run_code (run_no, code) VALUES (?, ?)",
            [(no, code) for code in codes],
        )

    def codes(self) -> set[str]:
        """See `RunRows.codes`."""
        rows = self.connection.execute(
            "SELECT code FROM run_code UNION SELECT code FROM sessions WHERE code IS NOT NULL"
        )
        return {row[0] for row in rows}

    def prune(self, keep: int, ended_before: float) -> int:
        """See `RunRows.prune`."""
        doomed = [
            row[0]
            for row in self.connection.execute(
                "SELECT no FROM runs WHERE status != 'running' AND (ended_at < ? OR no NOT IN "
                "(SELECT no FROM runs ORDER BY no DESC LIMIT ?))",
                (ended_before, keep),
            )
        ]
        for no in doomed:
            self._drop_fences(no)
            self.connection.execute("DELETE FROM events WHERE run_no = ?", (no,))
            self.connection.execute("DELETE FROM runs WHERE no = ?", (no,))
        self.connection.execute("DELETE FROM events WHERE run_no = 0 AND at < ?", (ended_before,))
        return len(doomed)

    def _drop_fences(self, no: int) -> None:
        """Delete what a run's streams keep in the state; shared fences stay."""
        run, life = self.connection.execute(
            "SELECT id, life FROM runs WHERE no = ?", (no,)
        ).fetchone()
        scope = fence_scope(identity_of(run, life))
        self.connection.execute("DELETE FROM state WHERE scope = ?", (scope,))


@dataclass(frozen=True, slots=True)
class SqliteRoster:
    """Implements `RosterRows`."""

    connection: sqlite3.Connection

    def next_generation(self) -> int:
        """See `RosterRows.next_generation`."""
        row = self.connection.execute(
            "INSERT INTO meta (key, value) VALUES ('generation', 1) "
            "ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value"
        ).fetchone()
        return int(row[0])

    def joined(self, worker: RosterRow) -> None:
        """See `RosterRows.joined`."""
        self.connection.execute(
            "INSERT OR REPLACE INTO workers (id, label, host, pid, born) VALUES (?, ?, ?, ?, ?)",
            (worker.id, worker.label, worker.host, worker.pid, worker.born),
        )

    def left(self, worker_id: str) -> None:
        """See `RosterRows.left`."""
        self.connection.execute("DELETE FROM workers WHERE id = ?", (worker_id,))

    def all(self) -> list[RosterRow]:
        """See `RosterRows.all`."""
        rows = self.connection.execute("SELECT id, label, host, pid, born FROM workers")
        return [RosterRow(*row) for row in rows]
