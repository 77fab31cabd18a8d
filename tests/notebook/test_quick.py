"""What is on show of a run that is too quick to be followed."""

from typing import Any

from agentfx.jobs import Told
from agentfx.notebook._view import View
from tests.notebook.streams import Event

ITEMS = 200


def looked_at(seconds: float, *rest: Event, at_once: int = ITEMS) -> dict[str, Any]:
    """The tables of a run in which a job ends every so many seconds."""
    rows: list[Event] = [
        {"type": "run_started"},
        {"type": "step_started", "path": "1", "task": "t::f", "count": ITEMS},
    ]
    for index in range(ITEMS):
        where = {"path": f"1/{index}", "index": index, "job": f"{index}#1", "task": "t::f"}
        how = {"worker": f"w{index % 2}", "attempt": 1, "delivery": 1, "ms": seconds * 5000}
        rows.append({"type": "job_done", **where, **how})
    view = View("r")
    told = [
        Told.of({"seq": seq, "at": 1000 + seq * seconds, "run": "r", **row})
        for seq, row in enumerate([*rows, *rest], 1)
    ]
    for begin in range(0, len(told), at_once):
        view.apply(told[begin : begin + at_once])
        view.snapshot()
    found: dict[str, Any] = view.snapshot()["tables"]
    return found


def test_a_run_at_a_readers_pace_shows_everything_however_late_it_is_looked_at() -> None:
    for at_once in (5, 1000):
        tables = looked_at(0.01, at_once=at_once)
        assert [bar.get("jobs", 1) for bar in tables["bars"].values()] == [1] * ITEMS
        assert len(tables["log"]) == ITEMS + 2


def test_a_quick_run_shows_no_more_than_can_be_told_apart() -> None:
    tables = looked_at(0.0001, at_once=1000)
    bars = [bar.get("jobs", 1) for bar in tables["bars"].values()]
    assert sum(bars) == ITEMS
    assert len(bars) < ITEMS / 2
    assert max(map(int, tables["log"])) == ITEMS + 2
    assert len(tables["log"]) == 100


def test_the_log_of_a_quick_run_is_whole_when_it_has_ended() -> None:
    tables = looked_at(0.0001, {"type": "run_ended"}, at_once=1000)
    assert len(tables["log"]) == ITEMS + 3
