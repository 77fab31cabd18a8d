"""The diagram of a preemption, drawn from the events of a run: as text, and as SVG."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Literal, TypeAlias

import agentfx as fx
from agentfx.streams import read_line

Kind: TypeAlias = Literal["came", "done", "refused", "stopped", "outrun"]
COLUMNS = 56
SYMBOLS: dict[Kind, str] = {"came": "●", "done": "✔", "refused": "⊘", "stopped": "✗", "outrun": ""}
WORDS: dict[Kind, str] = {
    "came": "",
    "done": "the fence lets its effect pass",
    "refused": "the fence refuses its effect",
    "stopped": "cancelled, and cleaned up",
    "outrun": "could not be cancelled",
}
COLORS: dict[Kind, str] = {
    "came": "#4c72b0",
    "done": "#2e8b57",
    "refused": "#c0392b",
    "stopped": "#c0392b",
    "outrun": "#8a8a8a",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened to an input, in seconds after the first one."""

    kind: Kind
    at: float


@dataclass(slots=True)
class Lane:
    """One input of a stream.

    Attributes:
        number: Of the input, from 1.
        epoch: That it raised the fence to.
        came: In seconds after the first input.
        overtaken: When the next input came, None for the latest.
        ended: When it was stopped, or the last was heard of it.
    """

    number: int
    epoch: int
    came: float
    overtaken: float | None = None
    ended: float = 0.0
    marks: list[Mark] = field(default_factory=list[Mark])

    @property
    def words(self) -> str:
        """How it went, in words."""
        kinds = {mark.kind for mark in self.marks}
        shown: tuple[Kind, ...] = ("outrun", "refused", "stopped", "done")
        return "; ".join(WORDS[kind] for kind in shown if kind in kinds)


def lanes_of(events: Iterable[fx.Event]) -> list[Lane]:
    """The inputs that a run's streams switched to, and what became of each."""
    lanes: dict[str, Lane] = {}
    begin: float | None = None
    for event in events:
        path = event.path or ""
        line = read_line(event.label or "") if event.type == "step_done" else None
        if line is not None and line.kind == "input":
            begin = event.at if begin is None else begin
            _add(lanes, path.rpartition("/")[0], Lane(0, line.epoch, event.at - begin))
            continue
        lane = _lane(lanes, path)
        if lane is None or begin is None or any(m.kind == "stopped" for m in lane.marks):
            continue
        lane.ended = max(lane.ended, event.at - begin)
        if line is not None and line.kind in ("done", "refused"):
            lane.marks.append(Mark("done" if line.kind == "done" else "refused", lane.ended))
        elif line is not None and line.kind == "preempted":
            stopped = line.reason.startswith("stopped")
            lane.marks.append(Mark("stopped" if stopped else "outrun", lane.ended))
    return list(lanes.values())


def _add(lanes: dict[str, Lane], path: str, lane: Lane) -> None:
    stage, _, number = path.rpartition("/")
    lane.number, lane.ended = int(number), lane.came
    for other_path, other in lanes.items():
        if other_path.rpartition("/")[0] == stage and other.overtaken is None:
            other.overtaken = lane.came
    lanes[path] = lane


def _lane(lanes: dict[str, Lane], path: str) -> Lane | None:
    while path and path not in lanes:
        path = path.rpartition("/")[0]
    return lanes.get(path)


class Preemption:
    """The diagram of the streams of a run; prints as text, and shows as SVG in a notebook.

    Args:
        events: Of the run, all of them.
        title: Above the diagram.
    """

    def __init__(self, events: Iterable[fx.Event], title: str = "") -> None:
        self.lanes, self.title = lanes_of(events), title
        self._span = max((lane.ended for lane in self.lanes), default=0.0) or 1.0

    @property
    def fired(self) -> list[int]:
        """Numbers of the inputs whose effects had a way through."""
        return [lane.number for lane in self.lanes if any(m.kind == "done" for m in lane.marks)]

    def __repr__(self) -> str:
        if not self.lanes:
            return "no stream has switched here"
        head = [self.title] if self.title else []
        ruler = f"{'':18}0 s{f'{self._span:.1f} s':>{COLUMNS - 3}}"
        return "\n".join([*head, ruler, *map(self._line, self.lanes)])

    def _line(self, lane: Lane) -> str:
        row = [" "] * COLUMNS
        for column in range(self._column(lane.came), self._column(lane.ended) + 1):
            late = lane.overtaken is not None and column > self._column(lane.overtaken)
            row[column] = "┄" if late else "━"
        for mark in [Mark("came", lane.came), *lane.marks]:
            if SYMBOLS[mark.kind]:
                row[self._column(mark.at)] = SYMBOLS[mark.kind]
        name = f"input {lane.number}, epoch {lane.epoch}"
        return f"{name:<18}{''.join(row)} {lane.words}"

    def _column(self, at: float) -> int:
        return min(round(at / self._span * (COLUMNS - 1)), COLUMNS - 1)

    def _repr_html_(self) -> str:
        title = f"<figcaption>{escape(self.title)}</figcaption>" if self.title else ""
        return f'<figure style="margin:0.5em 0">{title}{self.svg()}</figure>'

    def svg(self) -> str:
        """The diagram as an SVG element."""
        rows = [_row(lane, 24 + 34 * n, self._span) for n, lane in enumerate(self.lanes)]
        height = 24 + 34 * len(self.lanes)
        ruler = "".join(
            f'<text x="{_x(part * self._span, self._span)}" y="12" text-anchor="middle" '
            f'opacity="0.6">{part * self._span:.1f} s</text>'
            for part in (0.0, 0.5, 1.0)
        )
        return (
            f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" style="max-width:{_WIDTH}px" '
            'role="img" font-family="sans-serif" font-size="12" fill="currentColor">'
            f"<title>{escape(repr(self))}</title>{ruler}{''.join(rows)}</svg>"
        )


_WIDTH, _LEFT, _RIGHT = 900, 130, 290


def _x(at: float, span: float) -> float:
    return round(_LEFT + at / span * (_WIDTH - _LEFT - _RIGHT), 1)


def _row(lane: Lane, top: int, span: float) -> str:
    middle = top + 14
    begin, end = _x(lane.came, span), _x(lane.ended, span)
    turn = end if lane.overtaken is None else min(end, _x(lane.overtaken, span))
    parts = [
        f'<text x="0" y="{middle + 4}">input {lane.number}, epoch {lane.epoch}</text>',
        _bar(begin, turn, middle, 'stroke-width="6"'),
        _bar(turn, end, middle, 'stroke-width="3" stroke-dasharray="4 3" opacity="0.6"'),
        f'<circle cx="{begin}" cy="{middle}" r="5" fill="{COLORS["came"]}"/>',
    ]
    parts += [
        f'<text x="{_x(mark.at, span)}" y="{middle + 5}" text-anchor="middle" '
        f'font-size="16" fill="{COLORS[mark.kind]}">{SYMBOLS[mark.kind]}</text>'
        for mark in lane.marks
        if SYMBOLS[mark.kind]
    ]
    parts.append(f'<text x="{end + 14}" y="{middle + 4}">{escape(lane.words)}</text>')
    return "".join(parts)


def _bar(begin: float, end: float, y: int, style: str) -> str:
    if end <= begin:
        return ""
    color = COLORS["came"]
    return f'<line x1="{begin}" x2="{end}" y1="{y}" y2="{y}" stroke="{color}" {style}/>'
