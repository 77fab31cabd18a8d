"""The latest events and the latest output of tasks, as a reader wants them."""

import re
from collections import deque
from typing import Any

from agentfx.notebook._tables import Fields, Row, Tables

KEPT_EVENTS = 300
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


def detail(event: Fields) -> str:
    """What an event adds to its type, in a few words."""
    parts: list[str] = []
    if event.get("count") is not None:
        parts.append(f"{event['count']:,} items")
    if (event.get("attempt") or 1) > 1:
        parts.append(f"attempt {event['attempt']}")
    if (event.get("delivery") or 1) > 1:
        parts.append(f"delivery {event['delivery']}")
    if event.get("ms") is not None:
        after = " after its link closed" if event["type"] == "job_lost" else ""
        parts.append(f"{event['ms']:,.1f} ms{after}")
    parts += [plain(str(event[name])) for name in ("label", "error") if event.get(name)]
    return " · ".join(parts)


class Log:
    """Takes events and keeps the tables `log` and `output` up to date: the latest of each."""

    def __init__(self) -> None:
        self._new: dict[str, deque[tuple[str, Row]]] = {
            "log": deque(maxlen=KEPT_EVENTS),
            "output": deque(maxlen=KEPT_OUTPUT),
        }
        self._shown: dict[str, deque[str]] = {"log": deque(), "output": deque()}

    def add(self, event: Fields, seconds: float) -> None:
        """Take an event that happened after some seconds of the run."""
        row: dict[str, Any] = {"at": round(seconds, 3)}
        row.update(
            (name, event[name])
            for name in ("path", "index", "task", "worker")
            if event.get(name) is not None
        )
        if event["type"] == "output":
            row["text"] = plain(event.get("label") or "")
            self._new["output"].append((str(event["seq"]), row))
        else:
            row |= {"type": event["type"], "detail": detail(event)}
            self._new["log"].append((str(event["seq"]), row))

    def flush(self, tables: Tables) -> None:
        """Bring the tables up to date."""
        for name, rows in self._new.items():
            shown, most = self._shown[name], rows.maxlen or 0
            for key, row in rows:
                tables.put(name, key, row)
                shown.append(key)
            while len(shown) > most:
                tables.drop(name, shown.popleft())
            rows.clear()
