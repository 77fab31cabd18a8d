"""Runs made up for pictures of the panel: what happens when is given, not left to a machine."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from agentfx.algebra import AnyEffect
from agentfx.jobs import Told
from agentfx.notebook._outline import name_of, outline
from agentfx.notebook._view import View

Event = dict[str, Any]
START = 1_800_000_000.0
NOTICED_MS = 8.3


@dataclass
class Story:
    """A fan-out on some workers, one of which may be killed.

    Attributes:
        items: Of the fan-out.
        slots: Of each worker.
        seconds: That an item takes, more or less.
        kill: Which worker, and when.
        spawn: Which worker joins late, and when.
    """

    items: int = 12
    slots: int = 2
    seconds: float = 0.5
    workers: tuple[str, ...] = ("w1", "w2")
    kill: tuple[str, float] | None = None
    spawn: tuple[str, float] | None = None
    _events: list[Event] = field(default_factory=list[Event])

    def events(self) -> list[Event]:
        """All events of the run, in order."""
        self._events = []
        for label in self.workers:
            self._tell(-0.5, "worker_joined", worker=label)
        self._tell(0.0, "run_started")
        self._tell(0.0, "step_started", path="1", task="docs::fetch", count=self.items)
        end = self._schedule()
        self._tell(end, "run_ended", ms=end * 1000)
        self._events.sort(key=lambda event: event["at"])
        return [{**event, "seq": seq} for seq, event in enumerate(self._events, 1)]

    def _tell(self, at: float, kind: str, **fields: Any) -> None:
        self._events.append({"at": START + at, "run": "r1", "type": kind, **fields})

    def _schedule(self) -> float:
        free = [(0.01, label, slot) for label in self.workers for slot in range(self.slots)]
        if self.spawn is not None:
            label, at = self.spawn
            self._tell(at, "worker_joined", worker=label)
            free += [(at, label, slot) for slot in range(self.slots)]
        if self.kill is not None:
            self._tell(self.kill[1] + NOTICED_MS / 1000, "worker_lost", worker=self.kill[0])
        waiting = [(0.0, index, 1) for index in range(self.items)]  # a heap, as it is sorted
        for at, index, _ in waiting:
            self._tell(at, "job_queued", **self._job(index))
        end = 0.0
        while waiting:
            free.sort()
            at, label, slot = free.pop(0)
            if self._is_dead(label, at):
                continue
            queued, index, delivery = heappop(waiting)
            begin = max(at, queued)
            ended = self._run(label, index, delivery, begin)
            if ended is None:
                assert self.kill is not None
                heappush(waiting, (self.kill[1] + NOTICED_MS / 1000, index, delivery + 1))
            else:
                free.append((ended, label, slot))
                end = max(end, ended)
        return end

    def _run(self, label: str, index: int, delivery: int, begin: float) -> float | None:
        """One start of a job; when it ended, None if its worker was gone before."""
        job, where = self._job(index), {"worker": label, "delivery": delivery}
        self._tell(begin, "job_started", **job, **where)
        took = self.seconds * (0.8 + index * 7 % 5 / 10)
        if self._is_dead(label, begin + took):
            assert self.kill is not None
            known = self.kill[1] + NOTICED_MS / 1000
            self._tell(known, "job_lost", **job, **where, ms=NOTICED_MS)
            self._tell(known, "job_requeued", **job)
            return None
        self._tell(begin + took, "output", **job, **where, label=f"fetched page {index}\n")
        self._tell(begin + took, "job_done", **job, **where, ms=took * 1000)
        return begin + took

    def _is_dead(self, label: str, at: float) -> bool:
        return self.kill is not None and self.kill[0] == label and at >= self.kill[1]

    def _job(self, index: int) -> Event:
        return {
            "job": f"{index}#1", "path": f"1/{index}", "index": index, "task": "docs::fetch",
            "attempt": 1,
        }  # fmt: skip


HAND_OFF = Story(12, kill=("w1", 1.15), spawn=("w3", 1.9))


def scene(
    events: Iterable[Event], upto: float | None = None, program: AnyEffect | None = None
) -> View:
    """The view of a run as it is after some seconds, or at its end."""
    stages = outline(program) if program is not None else ()
    view = View("r1", "dist", stages)
    told = [Told.of(e) for e in events if upto is None or e["at"] <= START + upto]
    view.apply(e for e in told if e.at < START + 0.001)
    view.kill_asked("w1")
    view.apply(e for e in told if e.at >= START + 0.001)
    rows = view.snapshot()["tables"].get("workers", {})
    view.workers(
        {"label": label, "pid": 4710 + number, "slots": 2, "state": "up"}
        for number, label in enumerate(sorted(rows), 1)
    )
    view.note(name=name_of(stages), watched=None if upto is None else True)
    return view


def dead_letters(number: int = 1) -> dict[str, Event]:
    """Rows of the table `dead`."""
    return {
        f"dead{n}#1": {
            "run": "r1", "path": f"1/{n}", "task": "docs::parse", "reason": "crashed",
            "died_at": START + n, "redrivable": True, "input": f"[{n}]",
            "message": "ValueError: no such page <script>window.hacked = true</script>",
        }
        for n in range(number)
    }  # fmt: skip


def long_run(groups: int = 40, steps: int = 49) -> View:
    """A run of named groups of jobs; one job of each fourth group failed, and was caught."""
    rows: list[Event] = [{"type": "worker_joined", "worker": "w1"}, {"type": "run_started"}]
    for group in range(1, groups + 1):
        rows.append({"type": "step_started", "path": str(group), "label": f"chapter {group}"})
        for step in range(1, steps + 1):
            bad = group % 4 == 0 and step == 2
            job = {"job": f"{group}-{step}", "path": f"{group}/{step}", "task": "docs::parse"}
            where = {**job, "attempt": 1, "delivery": 1, "worker": "w1"}
            ended = {"type": "job_failed", "error": "Torn(page=2)"} if bad else {"type": "job_done"}
            rows.append({"type": "job_queued", **job, "attempt": 1})
            rows.append({"type": "job_started", **where})
            rows.append({**where, "ms": 4.2, **ended})
    rows.append({"type": "run_ended"})
    return scene(
        {"seq": seq, "at": START + (seq - 2) / 500, "run": "r1", **row}
        for seq, row in enumerate(rows, 1)
    )


def refused() -> View:
    """A run that ended by a value that its contract refuses, after a failure that was caught."""
    about = {"path": "1", "job": "1#1", "task": "docs::fetch", "attempt": 1}
    where = {**about, "delivery": 1, "worker": "w1", "ms": 3.1}
    error = "ContractViolation(task='docs::parse', where='input', errors=(('int_type', (), ''),))"
    rows: list[Event] = [
        {"type": "worker_joined", "worker": "w1"},
        {"type": "run_started"},
        {"type": "job_queued", **about},
        {"type": "job_started", **where},
        {"type": "job_failed", **where, "error": "Gone(url='a')"},
        {"type": "step_started", "path": "2", "task": "docs::parse", "count": 3},
        {"type": "run_ended", "error": error},
    ]
    view = scene(
        {"seq": seq, "at": START + seq / 500, "run": "r1", **row} for seq, row in enumerate(rows)
    )
    view.failed_at("2/1")
    return view
