"""The timeline of a run: a lane for each slot of a worker, a bar for each start of a job."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from agentfx.notebook._tables import Fields, Row, Tables

BarState: TypeAlias = Literal["running", "done", "failed", "lost", "dead", "cancelled", "dropped"]

LONG_GAP_SECONDS = 3.0
"""A pause of the whole cluster that is longer is drawn as a break, not to scale."""
GAP_SHOWN_SECONDS = 0.5
OVERLAP_SECONDS = 0.005
"""A slot's next start may be told of before its last end: by so much at most, and by no more
than half of what was there, so that short jobs do not hide each other."""
DETAIL = 240
"""About so many finished bars are on show one by one; older ones are drawn as blocks."""
BLOCK_JOBS = 60

_ENDS: dict[str, BarState] = {
    "job_done": "done",
    "job_failed": "failed",
    "job_dead": "dead",
    "job_cancelled": "cancelled",
}


@dataclass(slots=True, eq=False)
class Bar:
    """One start of a job.

    Attributes:
        lane: Number of the worker's slot, as far as it can be told: the lowest that was free.
        begin: Seconds on the timeline, as `end`, which is None while it runs.
        tries: 2 for the second try, be it an attempt or a delivery.
    """

    key: str
    path: str
    index: int | None
    task: str | None
    label: str | None
    worker: str
    begin: float
    tries: int
    lane: int = -1
    end: float | None = None
    state: BarState = "running"
    jobs: int = 1

    def row(self) -> Row:
        """As JSON for a front end."""
        row: dict[str, Any] = {
            "path": self.path, "index": self.index, "task": self.task, "label": self.label,
            "worker": self.worker, "lane": self.lane, "begin": round(self.begin, 4),
            "end": None if self.end is None else round(self.end, 4), "state": self.state,
            "tries": self.tries if self.tries > 1 else None,
            "jobs": self.jobs if self.jobs > 1 else None,
        }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}


@dataclass(slots=True, eq=False)
class Move:
    """A job that lost its worker, and the way to its next start: a hand-off.

    Attributes:
        noticed_ms: From the closing of the worker's link to the job being queued again.
        waited_ms: From there to its start elsewhere: the wait for a free slot.
    """

    bar: str
    path: str
    index: int | None
    worker: str
    was: Bar
    lost: float
    known_at: float
    lost_ms: float
    requeued_at: float | None = None
    noticed_ms: float | None = None
    to: Bar | None = None
    waited_ms: float | None = None

    def row(self) -> Row:
        """As JSON for a front end."""
        row: dict[str, Any] = {
            "path": self.path, "index": self.index, "from": self.worker, "bar": self.bar,
            "lane": self.was.lane, "lost": round(self.lost, 4),
            "noticed_ms": self.noticed_ms, "waited_ms": self.waited_ms,
        }  # fmt: skip
        if self.to is not None:
            row |= {
                "to": self.to.worker, "to_bar": self.to.key, "to_lane": self.to.lane,
                "begin": round(self.to.begin, 4), "tries": self.to.tries,
            }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}


@dataclass(slots=True, eq=False)
class _Lane:
    last: Bar | None = None
    plain: deque[Bar] = field(default_factory=deque[Bar])
    block: Bar | None = None
    blocks: int = 0


class Timeline:
    """Takes events and keeps the tables `bars`, `moves` and `marks` up to date."""

    def __init__(self) -> None:
        self._origin: float | None = None
        self._cut = 0.0
        self._last_at = 0.0
        self._lanes: dict[str, list[_Lane]] = {}
        self._open: dict[str, list[Bar]] = {}
        self._unplaced: list[Bar] = []
        self._ended: list[Bar] = []
        self._moving: dict[str, Move] = {}
        self._dirty_bars: dict[str, Bar | None] = {}
        self._dirty_moves: dict[str, Move] = {}
        self._marks: dict[str, Row] = {}
        self.moved = 0

    def begin(self, at: float) -> None:
        """The run started: here the timeline begins."""
        self._origin = self._last_at = at

    def seconds(self, at: float) -> float:
        """Where a time stands on the timeline."""
        return at - (self._origin if self._origin is not None else at) - self._cut

    def passed(self, at: float) -> None:
        """Something happened at this time."""
        self._last_at = max(self._last_at, at)

    # Events

    def job(self, kind: str, event: Fields) -> None:
        """A job started or ended somewhere, or lost its worker."""
        if kind == "job_started":
            self._start(event)
        elif kind == "job_lost":
            self._lose(event)
        elif kind == "job_requeued":
            self._requeue(event)
        elif kind in _ENDS:
            self._end(event, _ENDS[kind])

    def _start(self, event: Fields) -> None:
        job, path = event.get("job") or "", event.get("path") or ""
        attempt, delivery = event.get("attempt") or 1, event.get("delivery") or 1
        worker = event.get("worker") or "?"
        bar = Bar(
            f"{path}#{attempt}/{delivery}", path, event.get("index"), event.get("task"),
            event.get("label"), worker, self.seconds(event["at"]), attempt + delivery - 1,
        )  # fmt: skip
        self._unplaced.append(bar)
        self._open.setdefault(job, []).append(bar)
        self._dirty_bars[bar.key] = bar
        move = self._moving.pop(job, None)
        if move is not None:
            since = move.known_at if move.requeued_at is None else move.requeued_at
            move.to, move.waited_ms = bar, round((event["at"] - since) * 1000, 1)
            self._dirty_moves[move.bar] = move
            self.moved += 1

    def _lose(self, event: Fields) -> None:
        job, ms = event.get("job") or "", event.get("ms") or 0.0
        bar = self._of(job, event)
        if bar is None:
            return
        # Its worker was gone before anybody could be certain of it.
        lost = max(self.seconds(event["at"] - ms / 1000), bar.begin)
        self._finish(job, bar, lost, "lost")
        move = Move(bar.key, bar.path, bar.index, bar.worker, bar, lost, event["at"], ms)
        self._moving[job] = self._dirty_moves[bar.key] = move

    def _requeue(self, event: Fields) -> None:
        move = self._moving.get(event.get("job") or "")
        if move is not None:
            move.requeued_at = event["at"]
            noticed = move.lost_ms + (event["at"] - move.known_at) * 1000
            move.noticed_ms = round(noticed, 1)
            self._dirty_moves[move.bar] = move

    def _end(self, event: Fields, state: BarState) -> None:
        job = event.get("job") or ""
        self._moving.pop(job, None)
        ended = self._of(job, event)
        for bar in list(self._open.get(job, ())):  # a copy that ends later counts for nothing
            how = state if bar is ended else "dropped"
            self._finish(job, bar, self.seconds(event["at"]), how)

    def _of(self, job: str, event: Fields) -> Bar | None:
        """The bar of the start that an event tells of; the latest if it does not say."""
        bars = self._open.get(job)
        if not bars:
            return None
        ending = f"/{event.get('delivery')}"
        return next((bar for bar in bars if bar.key.endswith(ending)), bars[-1])

    def _finish(self, job: str, bar: Bar, end: float, state: BarState) -> None:
        bar.end, bar.state = max(end, bar.begin), state
        bars = self._open[job]
        bars.remove(bar)
        if not bars:
            del self._open[job]
        self._dirty_bars[bar.key] = bar
        if state == "done" and bar.tries == 1:
            self._ended.append(bar)

    # Lanes are given when all that was told together is known: the end of one start makes room
    # for the next, and may be told of after it.

    def _place(self) -> None:
        for bar in sorted(self._unplaced, key=lambda bar: bar.begin):
            lanes = self._lanes.setdefault(bar.worker, [])
            bar.lane = next((n for n, lane in enumerate(lanes) if _is_free(lane, bar)), len(lanes))
            if bar.lane == len(lanes):
                lanes.append(_Lane())
            lanes[bar.lane].last = bar
        for bar in self._ended:
            lane = self._lanes[bar.worker][bar.lane]
            lane.plain.append(bar)
            self._fold(lane)
        self._unplaced, self._ended = [], []

    def _fold(self, lane: _Lane) -> None:
        """Draw the oldest plain bars of a lane as one block, when there are many."""
        allowed = max(DETAIL // sum(map(len, self._lanes.values())), 4)
        while len(lane.plain) > allowed:
            bar = lane.plain.popleft()
            block = lane.block
            if block is None or block.jobs >= BLOCK_JOBS:
                lane.blocks += 1
                key = f"{bar.worker}/{bar.lane}/{lane.blocks}"
                block = Bar(
                    key, "", None, None, None, bar.worker, bar.begin, 1, bar.lane, state="done"
                )
                block.jobs, lane.block = 0, block
            block.jobs, block.end = block.jobs + 1, bar.end
            self._dirty_bars[block.key] = block
            self._dirty_bars[bar.key] = None

    def mark(self, kind: str, event: Fields) -> None:
        """Something happened to the cluster or to the driver."""
        at: float = event["at"]
        cut = self._cut_before(event)
        if cut:
            begin, gap = self.seconds(self._last_at), cut + GAP_SHOWN_SECONDS
            self._cut += cut
            row: Row = {"kind": "break", "at": round(begin, 4), "seconds": round(gap, 1)}
            self._marks[f"{event['seq']}~"] = row
        row = {"kind": kind, "at": round(self.seconds(at), 4)}
        if event.get("worker"):
            row["worker"] = event["worker"]
        self._marks[str(event["seq"])] = row

    def _cut_before(self, event: Fields) -> float:
        """Seconds before an event in which nothing can have gone on, beyond those shown."""
        kind, gap = event["type"], event["at"] - self._last_at
        still = kind == "services_restarted" or (kind == "run_attached" and not self._open)
        if not still or gap <= LONG_GAP_SECONDS or self._origin is None:
            return 0.0
        return float(gap - GAP_SHOWN_SECONDS)

    def when(self, event: Fields) -> float:
        """Where the next event will stand on the timeline."""
        return self.seconds(event["at"]) - self._cut_before(event)

    # Rows

    def flush(self, tables: Tables) -> None:
        """Bring the tables up to date."""
        self._place()
        for key, bar in self._dirty_bars.items():
            if bar is None:
                tables.drop("bars", key)
            else:
                tables.put("bars", key, bar.row())
        for key, move in self._dirty_moves.items():
            tables.put("moves", key, move.row())
        for key, row in self._marks.items():
            tables.put("marks", key, row)
        self._dirty_bars, self._dirty_moves, self._marks = {}, {}, {}


def _is_free(lane: _Lane, bar: Bar) -> bool:
    last = lane.last
    if last is None or last.end is None:
        return last is None
    return last.end <= bar.begin + min(OVERLAP_SECONDS, (last.end - last.begin) / 2)
