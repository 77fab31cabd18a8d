"""The workers of a run, as its events and the services tell of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypeAlias

from agentfx.jobs import Told
from agentfx.notebook._tables import Fields, Row, Tables

WorkerState: TypeAlias = Literal["up", "silent", "draining", "killed", "lost", "left"]

SHOWN_RUNNING = 8
_GONE = ("killed", "lost", "left")
_DONE = frozenset({"job_done", "job_failed", "job_dead"})
_NOT_RUNNING = _DONE | {"job_lost", "job_requeued", "job_redriven", "job_cancelled"}


@dataclass(slots=True, eq=False)
class _Worker:
    label: str
    state: WorkerState = "up"
    pid: int | None = None
    slots: int | None = None
    running: dict[str, tuple[int | None, str | None]] = field(
        default_factory=dict[str, tuple[int | None, str | None]]
    )
    done: int = 0
    lost: int = 0

    def row(self) -> Row:
        row: dict[str, Any] = {
            "state": self.state, "pid": self.pid, "slots": self.slots, "done": self.done,
            "lost": self.lost or None,
            "running": [step_name(*step) for step in islice(self.running.values(), SHOWN_RUNNING)],
            "more": max(len(self.running) - SHOWN_RUNNING, 0) or None,
        }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}


def step_name(index: int | None, path: str | None) -> str:
    """A step in a table: of an item, its number."""
    return f"step {path}" if index is None else f"#{index}"


class Roster:
    """Takes events and keeps the table `workers` up to date."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._running: dict[str, list[_Worker]] = {}
        self._dirty: set[str] = set()
        self._asked: set[str] = set()
        self._pids: dict[str, int] = {}
        self._ends: frozenset[str] = frozenset()

    def begin(self) -> None:
        """The run started: who left before does not belong to it."""
        for label in [w.label for w in self._workers.values() if w.state in _GONE]:
            del self._workers[label]
            self._dirty.add(label)

    def change(self, kind: str, label: str) -> None:
        """A worker joined, left, or was lost."""
        worker = self._of(label)
        if kind == "worker_joined":
            worker.state, worker.pid = "up", self._pids.get(label)
            self._asked.discard(label)
        elif kind == "worker_left":
            worker.state = "left"
        else:
            worker.state = "killed" if label in self._asked | self._ends else "lost"

    def job(self, event: Told) -> None:
        """A job started or ended somewhere, or lost its worker."""
        job, kind = event.job or "", event.type
        if kind == "job_started":
            worker = self._of(event.worker or "?")
            worker.running[job] = (event.item, event.path)
            self._running.setdefault(job, []).append(worker)
        elif kind in _NOT_RUNNING:
            for worker in self._running.pop(job, ()):
                if worker.running.pop(job, None) is not None:
                    worker.lost += kind == "job_lost"
                    self._dirty.add(worker.label)
            if kind in _DONE and event.worker:
                self._of(event.worker).done += 1

    def killed(self, label: str) -> None:
        """A worker was killed on purpose, and its process is gone."""
        self._asked.add(label)
        self._of(label).state = "killed"

    def kill_asked(self, label: str) -> None:
        """Somebody is about to kill a worker: that it will be lost is no accident."""
        self._asked.add(label)

    def polled(self, rows: Iterable[Fields]) -> None:
        """What the services know of the workers now."""
        for row in rows:
            worker = self._of(row["label"])
            worker.pid, worker.slots = row["pid"], row["slots"]
            if worker.state not in _GONE:
                state = row["state"]
                worker.state = state if state in ("silent", "draining") else "up"

    def pids(self) -> dict[str, int]:
        """Processes of the workers, as far as they are known."""
        return {w.label: w.pid for w in self._workers.values() if w.pid is not None}

    def know(self, other: "Roster") -> None:
        """What no event tells of: workers' processes, and which will be killed on purpose."""
        self._pids = other.pids()
        self._ends = frozenset(w.label for w in other._workers.values() if w.state == "killed")

    @property
    def up(self) -> int:
        """How many can take jobs."""
        return sum(worker.state == "up" for worker in self._workers.values())

    def _of(self, label: str) -> _Worker:
        self._dirty.add(label)
        worker = self._workers.get(label)
        if worker is None:
            worker = self._workers[label] = _Worker(label)
        return worker

    def flush(self, tables: Tables) -> None:
        """Bring the table up to date."""
        for label in self._dirty:
            worker = self._workers.get(label)
            if worker is None:
                tables.drop("workers", label)
            else:
                tables.put("workers", label, worker.row())
        self._dirty.clear()
