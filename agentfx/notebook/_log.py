"""The latest events and the latest output of tasks, as a reader wants them."""

import re
from collections import deque

from agentfx.jobs import Told
from agentfx.notebook._tables import Row, Tables
from agentfx.notebook._words import millis

KEPT_EVENTS = 300
READ_EVENTS = 100
QUICK_SECONDS = 0.2
"""Where so many events happen in less time, only they are on show: nobody could read more."""
KEPT_OUTPUT = 200
TEXT_CHARACTERS = 4_000
# Colours and cursor moves of terminals, then every other control character but new line and tab,
# and what turns the direction of the words that follow.
_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b."
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str, most: int = TEXT_CHARACTERS) -> str:
    """A text without terminal codes and control characters, of a bounded length."""
    cleaned = _CONTROLS.sub("", text)
    return cleaned if len(cleaned) <= most else cleaned[:most] + "…"


def is_plain(text: str) -> bool:
    """Whether a text is what it looks like, as far as its characters go."""
    return _CONTROLS.search(text) is None


def detail(event: Told) -> str:
    """What an event adds to its type, in a few words."""
    parts: list[str] = []
    if event.items is not None:
        parts.append(f"{event.items:,} items")
    if (event.attempt or 1) > 1:
        parts.append(f"attempt {event.attempt}")
    if (event.delivery or 1) > 1:
        parts.append(f"delivery {event.delivery}")
    if event.ms is not None:
        after = " after its link closed" if event.type == "job_lost" else ""
        parts.append(f"{millis(event.ms)}{after}")
    parts += [plain(text) for text in (event.label, event.error) if text]
    return " · ".join(parts)


class Log:
    """Takes events and keeps the tables `log` and `output` up to date: the latest of each.

    Rows are made when they are asked for: of thousands of events a second only those of the
    latest that are still there then.
    """

    def __init__(self) -> None:
        self._events: deque[tuple[Told, float]] = deque(maxlen=KEPT_EVENTS)
        self._output: deque[tuple[Told, float]] = deque(maxlen=KEPT_OUTPUT)
        self._shown: dict[str, set[int]] = {"log": set(), "output": set()}
        self._new = 0

    def add(self, event: Told, seconds: float) -> None:
        """Take an event that happened after some seconds of the run."""
        self._new += 1
        (self._output if event.type == "output" else self._events).append((event, seconds))

    def flush(self, tables: Tables, *, still: bool) -> None:
        """Bring the tables up to date.

        Args:
            tables: To change.
            still: Nothing more will happen for now.
        """
        if self._new or still:
            most = READ_EVENTS if self._is_quick() and not still else KEPT_EVENTS
            self._show(tables, "log", self._events, most)
            self._show(tables, "output", self._output, KEPT_OUTPUT)
        self._new = 0

    def _is_quick(self) -> bool:
        events = self._events
        if self._new <= READ_EVENTS or len(events) < READ_EVENTS:
            return False
        return events[-1][0].at - events[-READ_EVENTS][0].at < QUICK_SECONDS

    def _show(self, tables: Tables, name: str, told: deque[tuple[Told, float]], most: int) -> None:
        shown = self._shown[name]
        latest = list(told)[-most:]
        first = latest[0][0].seq if latest else 0
        for number in [number for number in shown if number < first]:
            tables.drop(name, str(number))
            shown.remove(number)
        for event, seconds in latest:
            if event.seq not in shown:
                tables.put(name, str(event.seq), _row(event, seconds))
                shown.add(event.seq)


def _row(event: Told, seconds: float) -> Row:
    row: Row = {"at": round(seconds, 3)}
    if event.path is not None:
        row["path"] = event.path
    if event.task is not None:
        row["task"] = event.task
    if event.worker is not None:
        row["worker"] = event.worker
    if event.type != "output":
        row["type"], row["detail"] = event.type, detail(event)
        return row
    if event.item is not None:
        row["index"] = event.item
    row["text"] = plain(event.label or "")
    return row
