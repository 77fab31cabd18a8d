"""The read model of a run: pure, from its events; every display is made of it."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from agentfx.jobs import Told
from agentfx.notebook._log import Log
from agentfx.notebook._outline import Stage, plan
from agentfx.notebook._roster import Roster
from agentfx.notebook._tables import Diff, Fields, Row, Snapshot, Tables
from agentfx.notebook._timeline import Timeline
from agentfx.notebook._tree import JOB_EVENTS, Tree

Kind: TypeAlias = Literal["dist", "memory"]

_ACTIVE = ("running", "waiting")
_MARKED = frozenset(
    {"worker_joined", "worker_lost", "worker_left", "services_restarted", "run_attached"}
)


@dataclass(slots=True)
class _Totals:
    """What is counted over the whole run."""

    started_at: float | None = None
    ended_at: float | None = None
    status: str = "running"
    error: str | None = None
    drivers: int = 1
    kept: int = 0
    lost: int = 0
    redone: int = 0
    result: str | None = None


class View:
    """Takes a run's events, in order, and gives the state of all displays.

    Any thread may use it.

    Args:
        run: Id of the run; empty until it is known.
        kind: Which interpreter runs it.
        stages: The program as far as it is known before it runs.
    """

    def __init__(self, run: str = "", kind: Kind = "dist", stages: Iterable[Stage] = ()) -> None:
        self.run, self._stages = run, tuple(stages)
        self._kind: Kind = kind
        self._lock = threading.RLock()
        self._tables = Tables()
        self._totals = _Totals()
        self._extra: Row = {}
        self._done: set[str] = set()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._tree, self._timeline, self._log = Tree(), Timeline(), Log()
        self._totals = _Totals()
        self._done.clear()
        self._roster = getattr(self, "_roster", None) or Roster()
        self._roster.begin()
        for table in ("nodes", "stages", "bars", "moves", "marks", "log", "output"):
            self._tables.clear(table)
        plan(self._stages, self._tree, self._tables)

    # What happens

    def apply(self, events: Iterable[Told]) -> None:
        """Take events, in order."""
        with self._lock:
            for event in events:
                self._apply(event)

    def _apply(self, event: Told) -> None:
        kind = event.type
        if kind in JOB_EVENTS:
            self._job(event)
        elif kind == "run_started":
            self._started(event)
        else:
            self._other(event)
        if self._totals.started_at is not None:  # else it belongs to the time before
            if kind in _MARKED:
                self._timeline.mark(event)
            self._log.add(event, self._timeline.passed(event.at))

    def _started(self, event: Told) -> None:
        if self._totals.started_at is not None:
            self._begin_anew()
        self._totals.started_at = event.at
        self._tree.begin()
        self._roster.begin()
        self._timeline.begin(event.at)

    def _other(self, event: Told) -> None:
        match event.type:
            case "worker_joined" | "worker_lost" | "worker_left":
                self._roster.change(event.type, event.worker or "?")
            case "step_started":
                self._tree.started(event)
            case "step_done":
                self._tree.done(event)
            case "run_attached":
                self._attached()
            case "run_ended":
                self._ended(event)
            case _:
                pass  # output and the like are told, and change nothing

    def _job(self, event: Told) -> None:
        kind, job, totals = event.type, event.job or "", self._totals
        if job in self._done:
            untold = kind in ("job_done", "job_failed") and not self._timeline.runs(job)
            totals.redone += untold or kind == "job_started"
        elif kind in ("job_done", "job_failed"):
            self._done.add(job)
        self._tree.job(event)
        self._timeline.job(event)
        self._roster.job(event)
        if kind == "job_lost":
            totals.lost += 1
        elif kind == "job_redriven" and totals.status != "running":
            totals.status, totals.ended_at = "running", None  # it was reopened

    def _attached(self) -> None:
        self._totals.drivers += 1
        self._totals.status, self._totals.ended_at = "running", None
        self._tree.attached()
        self._totals.kept = self._tree.kept()

    def _ended(self, event: Told) -> None:
        error = event.error
        status = "done" if error is None else "cancelled" if error == "cancelled" else "failed"
        self._totals.status, self._totals.error = status, error
        self._totals.ended_at = event.at
        self._tree.ended(well=error is None)

    # What only others know

    def waiting(self, *, no_worker_can: bool) -> None:
        """Whether the run has jobs, and no worker that can run one of them."""
        with self._lock:
            if self._totals.status in _ACTIVE:
                self._totals.status = "waiting" if no_worker_can else "running"

    def failed_at(self, path: str | None) -> None:
        """Where the failure happened that nobody caught."""
        with self._lock:
            self._tree.ended()
            if path:
                self._tree.blame(path, self._totals.error)

    def result(self, text: str) -> None:
        """What the run ended with, in one line."""
        with self._lock:
            self._totals.result = text

    def kill_asked(self, label: str) -> None:
        """Somebody is about to kill a worker."""
        with self._lock:
            self._roster.kill_asked(label)

    def killed(self, label: str) -> None:
        """A worker was killed on purpose, and its process is gone."""
        with self._lock:
            self._roster.killed(label)

    def workers(self, rows: Iterable[Fields]) -> None:
        """What the services know of the workers now."""
        with self._lock:
            self._roster.polled(rows)

    def replace(self, table: str, rows: Mapping[str, Row]) -> None:
        """Set all rows of a table that is not made of events, such as `queues`."""
        with self._lock:
            for key in list(self._tables.rows(table)):
                if key not in rows:
                    self._tables.drop(table, key)
            for key, row in rows.items():
                self._tables.put(table, key, row)

    def note(self, **fields: Any) -> None:
        """Set fields of the table `run` that are not made of events; None removes one."""
        with self._lock:
            merged = {**self._extra, **fields}
            self._extra = {name: value for name, value in merged.items() if value is not None}

    def open(self, path: str, page: int) -> None:
        """Show a page of a fan-out's items."""
        with self._lock:
            self._tree.open(path, page)

    def close(self, path: str) -> None:
        """Show no pages of a fan-out any more."""
        with self._lock:
            self._tree.close(path)

    def empty(self) -> "View":
        """A view of the same run before its first event; it knows the workers' processes."""
        with self._lock:
            view = View(self.run, self._kind, self._stages)
            view._tree.show_as(self._tree)
            view._roster.know(self._roster)
            view._extra = {**self._extra, "watched": False}
            return view

    # How it stands

    @property
    def has_begun(self) -> bool:
        """Whether the run has started."""
        with self._lock:
            return self._totals.started_at is not None

    def when(self, event: Told) -> float:
        """Where the next event will stand on the run's timeline."""
        with self._lock:
            return self._timeline.when(event)

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        with self._lock:
            return self._totals.ended_at is not None

    @property
    def has_failed(self) -> bool:
        """Whether the run has ended in a failure."""
        with self._lock:
            return self._totals.status == "failed"

    def seconds(self, at: float) -> float:
        """Where a time stands on the run's timeline."""
        with self._lock:
            return self._timeline.seconds(at)

    def snapshot(self) -> Snapshot:
        """Everything on show."""
        with self._lock:
            self._flush()
            return self._tables.snapshot()

    def diff(self, since: int) -> Diff | None:
        """What changed after a version, None if nothing did."""
        with self._lock:
            self._flush()
            return self._tables.diff(since) if self._tables.version > since else None

    def _flush(self) -> None:
        for part in (self._tree, self._timeline, self._roster):
            part.flush(self._tables)
        self._log.flush(self._tables, still=self._totals.ended_at is not None)
        self._tables.put("run", "run", self._run_row())

    def _run_row(self) -> Row:
        totals = self._totals
        end = totals.ended_at
        row: dict[str, Any] = {
            "id": self.run, "kind": self._kind, "status": totals.status,
            "started_at": totals.started_at, "error": totals.error, "result": totals.result,
            "took": None if end is None else round(self._timeline.seconds(end), 3),
            "jobs": {state: n for state, n in self._tree.root.inside.counts.items() if n},
            "to_come": (self._tree.to_come() or None) if end is None else None,
            "again": self._tree.root.inside.again or None, "lost": totals.lost or None,
            "moved": self._timeline.moved or None, "redone": totals.redone,
            "drivers": totals.drivers, "kept": totals.kept or None, "up": self._roster.up,
            **self._extra,
        }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}
