"""The timeline of a run: a lane for each slot of a worker, a bar for each start of a job."""

from collections import deque
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from agentfx.jobs import Told
from agentfx.notebook._tables import Row, Tables

BarState: TypeAlias = Literal["running", "done", "failed", "lost", "dead", "cancelled", "dropped"]

LONG_GAP_SECONDS = 3.0
"""A pause of the whole cluster that is longer is drawn as a break, not to scale."""
GAP_SHOWN_SECONDS = 0.5
OVERLAP_SECONDS = 0.005
"""A slot's next start may be told of before its last end: by so much at most, and by no more
than half of what was there, so that short jobs do not hide each other."""
DETAIL = 240
"""About so many finished bars are on show one by one; older ones are drawn as blocks."""
LEAST_DETAIL = 4
"""Of a lane."""
CROWD, CROWD_SECONDS = 40, 0.05
"""Where so many bars end in less time, fewer are on show: nobody could tell them apart."""
BLOCK_JOBS = 60

_ENDS: dict[str, BarState] = {
    "job_done": "done",
    "job_failed": "failed",
    "job_dead": "dead",
    "job_cancelled": "cancelled",
}


_BEGIN = attrgetter("begin")


@dataclass(slots=True, eq=False)
class Bar:
    """One start of a job.

    Attributes:
        event: That tells of the start; or of the end, if nothing told of the start.
        begin: Seconds on the timeline, as `end`, which is None while it runs.
        lane: The worker's slot, as far as it can be told: the first that was free.
        folded: It is drawn as part of a block.
        shown: Its row is in the table.
    """

    event: Told
    begin: float
    end: float | None = None
    state: BarState = "running"
    lane: "_Lane | None" = None
    folded: bool = False
    shown: bool = False

    @property
    def worker(self) -> str:
        """Where it ran."""
        return self.event.worker or "?"

    @property
    def number(self) -> int:
        """Of its lane."""
        return self.lane.number if self.lane is not None else -1

    @property
    def tries(self) -> int:
        """2 for the second try, be it an attempt or a delivery."""
        return (self.event.attempt or 1) + (self.event.delivery or 1) - 1

    @property
    def key(self) -> str:
        """Of its row."""
        event = self.event
        return f"{event.path or ''}#{event.attempt or 1}/{event.delivery or 1}"

    def row(self) -> Row:
        """As JSON for a front end."""
        event = self.event
        row: Row = {
            "path": event.path or "", "worker": self.worker, "lane": self.number,
            "begin": round(self.begin, 4), "state": self.state,
        }  # fmt: skip
        if self.end is not None:
            row["end"] = round(self.end, 4)
        if self.tries > 1:
            row["tries"] = self.tries
        for name, value in (("index", event.item), ("task", event.task), ("label", event.label)):
            if value is not None:
                row[name] = value
        return row


@dataclass(slots=True, eq=False)
class Block:
    """The oldest bars of a lane, drawn as one.

    Attributes:
        jobs: How many they are.
    """

    key: str
    worker: str
    lane: int
    begin: float
    end: float | None = None
    jobs: int = 0

    def row(self) -> Row:
        """As JSON for a front end."""
        row: dict[str, Any] = {
            "path": "", "worker": self.worker, "lane": self.lane, "begin": round(self.begin, 4),
            "end": None if self.end is None else round(self.end, 4), "state": "done",
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
        was = self.was
        row: dict[str, Any] = {
            "path": was.event.path or "", "index": was.event.item, "from": was.worker,
            "bar": was.key, "lane": was.number, "lost": round(self.lost, 4),
            "noticed_ms": self.noticed_ms, "waited_ms": self.waited_ms,
        }  # fmt: skip
        if self.to is not None:
            row |= {
                "to": self.to.worker, "to_bar": self.to.key, "to_lane": self.to.number,
                "begin": round(self.to.begin, 4), "tries": self.to.tries,
            }  # fmt: skip
        return {name: value for name, value in row.items() if value is not None}


@dataclass(slots=True, eq=False)
class _Lane:
    worker: str
    number: int
    last: Bar
    plain: deque[Bar] = field(default_factory=deque[Bar])
    block: Block | None = None
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
        self._dirty_bars: dict[Bar, None] = {}
        self._dirty_blocks: dict[Block, None] = {}
        self._dirty_moves: dict[Move, None] = {}
        self._marks: dict[str, Row] = {}
        self.moved = 0

    def begin(self, at: float) -> None:
        """The run started: here the timeline begins."""
        self._origin = self._last_at = at

    def seconds(self, at: float) -> float:
        """Where a time stands on the timeline."""
        return at - (self._origin if self._origin is not None else at) - self._cut

    def passed(self, at: float) -> float:
        """Something happened at this time: where it stands on the timeline."""
        if at > self._last_at:
            self._last_at = at
        return self.seconds(at)

    # Events

    def job(self, event: Told) -> None:
        """A job started or ended somewhere, or lost its worker."""
        kind = event.type
        ended = _ENDS.get(kind)
        if ended is not None:
            self._end(event, ended)
        elif kind == "job_started":
            self._start(event)
        elif kind == "job_lost":
            self._lose(event)
        elif kind == "job_requeued":
            self._requeue(event)

    def _start(self, event: Told) -> None:
        job = event.job or ""
        bar = Bar(event, self.seconds(event.at))
        self._unplaced.append(bar)
        self._dirty_bars[bar] = None
        self._open.setdefault(job, []).append(bar)
        move = self._moving.pop(job, None) if self._moving else None
        if move is not None:
            since = move.known_at if move.requeued_at is None else move.requeued_at
            move.to, move.waited_ms = bar, round((event.at - since) * 1000, 1)
            self._dirty_moves[move] = None
            self.moved += 1

    def runs(self, job: str) -> bool:
        """Whether a start of a job was told of, and not its end."""
        return job in self._open

    def _lose(self, event: Told) -> None:
        job, ms = event.job or "", event.ms or 0.0
        bar = self._of(job, event)
        if bar is None:
            return
        # Its worker was gone before anybody could be certain of it.
        lost = max(self.seconds(event.at - ms / 1000), bar.begin)
        bars = self._open[job]
        bars.remove(bar)
        if not bars:
            del self._open[job]
        self._finish(bar, lost, "lost")
        move = self._moving[job] = Move(bar, lost, event.at, ms)
        self._dirty_moves[move] = None

    def _requeue(self, event: Told) -> None:
        move = self._moving.get(event.job or "")
        if move is not None:
            move.requeued_at = event.at
            noticed = move.lost_ms + (event.at - move.known_at) * 1000
            move.noticed_ms = round(noticed, 1)
            self._dirty_moves[move] = None

    def _end(self, event: Told, state: BarState) -> None:
        job = event.job or ""
        lost = self._moving.pop(job, None) if self._moving else None
        end = self.seconds(event.at)
        if job in self._open:
            ended = self._of(job, event)
            for bar in self._open.pop(job):  # a copy that ends later counts for nothing
                self._finish(bar, end, state if bar is ended else "dropped")
        elif lost is None and event.ms is not None:
            # Nobody told of its start: of a quick run that is left out.
            bar = Bar(event, end - event.ms / 1000)
            self._unplaced.append(bar)
            self._finish(bar, end, state)

    def _of(self, job: str, event: Told) -> Bar | None:
        """The bar of the start that an event tells of; the latest if it does not say."""
        bars = self._open.get(job)
        if not bars:
            return None
        if len(bars) == 1:
            return bars[0]
        return next((bar for bar in bars if bar.event.delivery == event.delivery), bars[-1])

    def _finish(self, bar: Bar, end: float, state: BarState) -> None:
        bar.end, bar.state = max(end, bar.begin), state
        self._dirty_bars[bar] = None
        if state == "done" and bar.tries == 1:
            self._ended.append(bar)

    # Lanes are given when all that was told together is known: the end of one start makes room
    # for the next, and may be told of after it.

    def _place(self) -> None:
        for bar in sorted(self._unplaced, key=_BEGIN):
            worker = bar.worker
            lanes = self._lanes.get(worker)
            if lanes is None:
                lanes = self._lanes[worker] = []
            lane = _free(lanes, bar.begin)
            if lane is None:
                lane = _Lane(worker, len(lanes), bar)
                lanes.append(lane)
            bar.lane, lane.last = lane, bar
        number = max(sum(map(len, self._lanes.values())), 1)
        most = max(DETAIL // number // self._crowd(), LEAST_DETAIL)
        for bar in self._ended:
            lane = bar.lane
            if lane is not None:
                lane.plain.append(bar)
                while len(lane.plain) > most:
                    self._fold(lane, lane.plain.popleft())
        self._unplaced, self._ended = [], []

    def _crowd(self) -> int:
        """How many times too many bars ended together for each to be seen."""
        ended = [bar.end or 0.0 for bar in self._ended[-CROWD:]]
        if len(ended) < CROWD:
            return 1
        return 1 + int(CROWD_SECONDS / max(ended[-1] - ended[0], 1e-3))

    def _fold(self, lane: _Lane, bar: Bar) -> None:
        """Draw a bar as part of a block."""
        block = lane.block
        if block is None or block.jobs >= BLOCK_JOBS:
            lane.blocks += 1
            key = f"{lane.worker}/{lane.number}/{lane.blocks}"
            block = lane.block = Block(key, lane.worker, lane.number, bar.begin)
        block.jobs, block.end = block.jobs + 1, bar.end
        bar.folded = True
        self._dirty_blocks[block] = None
        if bar.shown:
            self._dirty_bars[bar] = None

    def mark(self, event: Told) -> None:
        """Something happened to the cluster or to the driver."""
        cut = self._cut_before(event)
        if cut:
            begin, gap = self.seconds(self._last_at), cut + GAP_SHOWN_SECONDS
            self._cut += cut
            row: Row = {"kind": "break", "at": round(begin, 4), "seconds": round(gap, 1)}
            self._marks[f"{event.seq}~"] = row
        row = {"kind": event.type, "at": round(self.seconds(event.at), 4)}
        if event.worker:
            row["worker"] = event.worker
        self._marks[str(event.seq)] = row

    def _cut_before(self, event: Told) -> float:
        """Seconds before an event in which nothing can have gone on, beyond those shown."""
        kind, gap = event.type, event.at - self._last_at
        still = kind == "services_restarted" or (kind == "run_attached" and not self._open)
        if not still or gap <= LONG_GAP_SECONDS or self._origin is None:
            return 0.0
        return gap - GAP_SHOWN_SECONDS

    def when(self, event: Told) -> float:
        """Where the next event will stand on the timeline."""
        return self.seconds(event.at) - self._cut_before(event)

    # Rows

    def flush(self, tables: Tables) -> None:
        """Bring the tables up to date."""
        self._place()
        for bar in self._dirty_bars:
            if not bar.folded:
                tables.put("bars", bar.key, bar.row())
                bar.shown = True
            elif bar.shown:
                tables.drop("bars", bar.key)
        for block in self._dirty_blocks:
            tables.put("bars", block.key, block.row())
        for move in self._dirty_moves:
            tables.put("moves", move.was.key, move.row())
        for key, row in self._marks.items():
            tables.put("marks", key, row)
        self._dirty_bars, self._dirty_blocks, self._dirty_moves = {}, {}, {}
        self._marks = {}


def _free(lanes: list[_Lane], begin: float) -> _Lane | None:
    """The first lane that has room from some moment on."""
    for lane in lanes:
        last = lane.last
        end = last.end
        if end is None:
            continue
        if end <= begin or end <= begin + min(OVERLAP_SECONDS, (end - last.begin) / 2):
            return lane
    return None
