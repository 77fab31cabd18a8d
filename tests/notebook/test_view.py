"""The read model of a run, from its events."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfx.jobs import Told
from agentfx.notebook._node import run_lengths
from agentfx.notebook._outline import Stage
from agentfx.notebook._replay import Replay
from agentfx.notebook._tables import apply_diff
from agentfx.notebook._text import render_text
from agentfx.notebook._view import View
from tests.notebook.streams import Event, streams

STATES = {
    "job_queued": "waiting",
    "job_started": "running",
    "job_lost": "waiting",
    "job_requeued": "waiting",
    "job_done": "done",
    "job_failed": "failed",
    "job_dead": "dead",
    "job_cancelled": "cancelled",
}


def fed(events: list[Event], view: View | None = None) -> View:
    made = view or View("r")
    made.apply(map(Told.of, events))
    return made


def tables(view: View) -> dict[str, Any]:
    found: dict[str, Any] = view.snapshot()["tables"]
    return found


def expand(lengths: str) -> str:
    marks, number = "", ""
    for letter in lengths:
        if letter.isdigit():
            number += letter
        else:
            marks, number = marks + letter * int(number), ""
    return marks


@given(streams(), st.lists(st.integers(1, 40)))
def test_diffs_applied_one_after_the_other_are_the_snapshot(
    events: list[Event], pieces: list[int]
) -> None:
    view = View("r")
    copy = view.snapshot()
    rest = list(events)
    for size in [*pieces, len(events)]:
        view.apply(map(Told.of, rest[:size]))
        del rest[:size]
        diff = view.diff(copy["version"])
        if diff is not None:
            copy = apply_diff(copy, diff)
    assert copy == view.snapshot()


@given(streams())
def test_every_job_is_counted_once_under_its_latest_state(events: list[Event]) -> None:
    latest: dict[str, str] = {}
    for event in events:
        if event["type"] in STATES:
            latest[event["path"]] = STATES[event["type"]]
        elif event["type"] == "step_done":
            latest[event["path"]] = "done"
    found = tables(fed(events))
    counted = Counter[str](found["run"]["run"].get("jobs", {}))
    counted["failed"] += counted.pop("caught", 0)
    for path, row in found.get("nodes", {}).items():
        if row["kind"] == "fan_out" and row.get("task") is None:
            heard = {"/".join(place.split("/")[:2]) for place in latest}
            marks = enumerate(expand(row["marks"]))
            counted["done"] -= sum(m == "d" and f"{path}/{n}" not in heard for n, m in marks)
    assert counted == Counter(latest.values())


@given(streams())
def test_the_strip_of_a_fan_out_shows_the_state_of_each_item(events: list[Event]) -> None:
    letters = {"waiting": "w", "running": "r", "failed": "fh", "dead": "x", "cancelled": "c"}
    rows = tables(fed(events)).get("nodes", {})
    latest = {e["path"]: STATES[e["type"]] for e in events if e["type"] in STATES}
    for path, row in rows.items():
        if row["kind"] != "fan_out" or row.get("task") is None:
            continue
        marks = expand(row["marks"])
        assert len(marks) == row["count"]
        for index, mark in enumerate(marks):
            state = latest.get(f"{path}/{index}")
            assert mark in ("dk" if state == "done" else letters.get(state or "", "."))


@given(streams(), st.integers(1, 30))
def test_what_is_known_does_not_depend_on_when_it_was_looked_at(
    events: list[Event], size: int
) -> None:
    at_once, in_pieces = fed(events), View("r")
    for start in range(0, len(events), size):
        in_pieces.apply(map(Told.of, events[start : start + size]))
        in_pieces.snapshot()
    for table in ("run", "nodes", "workers", "marks", "output"):
        assert tables(at_once).get(table) == tables(in_pieces).get(table)


def without_beginnings(events: list[Event], whole: int) -> list[Event]:
    """As services tell of a quick run: of jobs that are done, not how they began."""
    done = {e["job"] for e in events if e["type"] in ("job_done", "job_failed")}
    done -= {e["job"] for e in events if e["type"] == "job_lost"}
    quick = ("job_queued", "job_started")
    old = len(events) - whole
    return [
        event
        for number, event in enumerate(events)
        if number >= old or event["type"] not in quick or event["job"] not in done
    ]


def moved(view: View) -> dict[str, Any]:
    """The hand-offs; a lane is where there was room."""
    rows = tables(view).get("moves", {})
    lanes = ("lane", "to_lane")
    return {key: {k: v for k, v in row.items() if k not in lanes} for key, row in rows.items()}


@given(streams(), st.integers(1, 30), st.integers(1, 400))
def test_of_jobs_that_are_done_nothing_is_missed_that_happened_before(
    events: list[Event], size: int, whole: int
) -> None:
    events = [event for event in events if event["type"] != "run_attached"]  # that was caught up
    told = without_beginnings(events, whole)
    every, ends = fed(events), View("r")
    for start in range(0, len(told), size):
        fed(told[start : start + size], ends)
        ends.snapshot()
    for table in ("run", "nodes", "workers", "marks", "output"):
        assert tables(ends).get(table) == tables(every).get(table)
    assert moved(ends) == moved(every)
    drawn, all_drawn = (
        sum(bar.get("jobs", 1) for bar in tables(view).get("bars", {}).values())
        for view in (ends, every)
    )
    assert drawn == all_drawn


@given(streams())
def test_two_bars_of_a_lane_do_not_overlap(events: list[Event]) -> None:
    lanes: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for bar in tables(fed(events)).get("bars", {}).values():
        begin, end = bar["begin"], bar.get("end", float("inf"))
        lanes.setdefault((bar["worker"], bar["lane"]), []).append((begin, end))
    for bars in lanes.values():
        bars.sort()
        for (_, end), (begin, _) in pairwise(bars):
            assert begin >= end - 0.006


@given(streams())
async def test_the_last_moment_of_a_replay_is_the_present(events: list[Event]) -> None:
    view = fed(events)

    async def more(after: int) -> list[Told]:
        return [Told.of(e) for e in events if e["seq"] > after][:7]

    replay = Replay(view, more)
    await replay.at(0.0)
    copy = apply_diff({"version": 0, "tables": {}}, {**await Replay(view, more).at(1e9)})
    for table in ("nodes", "workers", "marks", "output"):
        assert copy["tables"].get(table) == tables(view).get(table)


@given(streams(), st.lists(st.floats(0, 3), max_size=6))
async def test_any_moment_is_the_run_as_far_as_it_was_then(
    events: list[Event], moments: list[float]
) -> None:
    view = fed(events)

    async def more(after: int) -> list[Told]:
        return [Told.of(e) for e in events if e["seq"] > after][:50]

    replay = Replay(view, more)
    copy: dict[str, Any] = {"version": 0, "tables": {}}
    for moment in moments:
        diff = await replay.at(moment)
        if diff["from"] == 0:
            copy = {"version": 0, "tables": {}}
        copy = apply_diff(copy, {"set": {}, "drop": {}, **diff})
        fresh = await Replay(view, more).at(moment)
        assert copy["tables"].get("nodes", {}) == fresh.get("set", {}).get("nodes", {})


def hand_off(lost_ms: float = 14.0) -> list[Event]:
    job = {"job": "j#1", "path": "1/9", "index": 9, "task": "docs::fetch", "attempt": 1}
    rows: list[tuple[float, str, dict[str, Any]]] = [
        (9.0, "worker_joined", {"worker": "w0"}),
        (9.5, "worker_left", {"worker": "w0"}),
        (9.9, "worker_joined", {"worker": "w1"}),
        (10.0, "run_started", {}),
        (10.0, "step_started", {"path": "1", "task": "docs::fetch", "count": 12}),
        (10.1, "job_queued", job),
        (10.2, "job_started", {**job, "worker": "w1", "delivery": 1}),
        (11.2, "job_lost", {**job, "worker": "w1", "delivery": 1, "ms": lost_ms}),
        (11.202, "job_requeued", job),
        (11.21, "worker_lost", {"worker": "w1"}),
        (11.3, "worker_joined", {"worker": "w2"}),
        (11.612, "job_started", {**job, "worker": "w2", "delivery": 2}),
        (12.0, "job_done", {**job, "worker": "w2", "delivery": 2, "ms": 380.0}),
        (12.1, "run_ended", {}),
    ]
    return [
        {"seq": seq, "at": at, "run": "r", "type": kind, **fields}
        for seq, (at, kind, fields) in enumerate(rows, 1)
    ]


def test_a_hand_off_has_both_intervals_and_both_bars() -> None:
    found = tables(fed(hand_off()))
    (move,) = found["moves"].values()
    assert (move["from"], move["to"]) == ("w1", "w2")
    assert move["noticed_ms"] == pytest.approx(16.0)
    assert move["waited_ms"] == pytest.approx(410.0)
    lost, again = found["bars"][move["bar"]], found["bars"][move["to_bar"]]
    assert (lost["state"], lost["end"]) == ("lost", pytest.approx(1.186))
    assert (again["state"], again["tries"]) == ("done", 2)
    run = found["run"]["run"]
    assert (run["lost"], run["moved"], run["redone"]) == (1, 1, 0)


def test_a_worker_that_left_before_the_run_does_not_belong_to_it() -> None:
    found = tables(fed(hand_off()))
    assert {label: row["state"] for label, row in found["workers"].items()} == {
        "w1": "lost",
        "w2": "up",
    }


def test_what_a_worker_runs_is_known_when_it_is_told_of_before_the_worker_is() -> None:
    events = hand_off()
    joined, started = events[10], events[11]
    told = tables(fed([*events[:10], {**started, "seq": 11}, {**joined, "seq": 12}]))
    assert told["workers"]["w2"]["running"] == ["#9"]


def test_a_worker_that_was_killed_on_purpose_is_called_killed() -> None:
    events = hand_off()
    view = fed(events[:8])
    view.kill_asked("w1")
    assert tables(fed(events[8:], view))["workers"]["w1"]["state"] == "killed"


def test_only_a_finished_job_that_starts_again_is_redone() -> None:
    events = hand_off()
    again = {**events[11], "seq": 13, "delivery": 3}
    assert tables(fed([*events[:13], again]))["run"]["run"]["redone"] == 1


def test_what_was_done_before_another_driver_went_on_is_from_the_record() -> None:
    events = [*hand_off()[:-1], {"seq": 14, "at": 80.0, "run": "r", "type": "run_attached"}]
    found = tables(fed(events))
    assert found["run"]["run"]["kept"] == 1
    assert expand(found["nodes"]["1"]["marks"]) == "." * 9 + "k" + ".."
    assert found["nodes"]["1/9"]["kept"] is True
    breaks = [mark for mark in found["marks"].values() if mark["kind"] == "break"]
    assert [mark["seconds"] for mark in breaks] == [68.0]


def test_a_run_that_is_started_over_begins_anew() -> None:
    events = hand_off()
    fresh = {"seq": 20, "at": 50.0, "run": "r", "type": "run_started"}
    found = tables(fed([*events, fresh]))
    assert found["run"]["run"]["status"] == "running"
    assert "nodes" not in found
    assert "bars" not in found


def fan_out(count: int) -> list[Event]:
    head: list[Event] = [
        {"seq": 1, "at": 1.0, "run": "r", "type": "run_started"},
        {"seq": 2, "at": 1.0, "run": "r", "type": "step_started", "path": "1", "task": "t::f",
         "count": count},
    ]  # fmt: skip
    jobs: list[Event] = []
    for index in range(count):
        job = {"job": f"{index}#1", "path": f"1/{index}", "index": index, "attempt": 1}
        at = 1.0 + index / 1000
        for kind, later in (("job_queued", 0.0), ("job_started", 0.001), ("job_done", 0.004)):
            more = {"worker": "w1", "delivery": 1} if kind != "job_queued" else {}
            jobs.append({"at": at + later, "run": "r", "type": kind, **job, **more})
    jobs.sort(key=lambda event: event["at"])
    return [*head, *({**job, "seq": seq} for seq, job in enumerate(jobs, 3))]


def test_ten_thousand_items_stay_cheap_on_the_screen() -> None:
    found = tables(fed(fan_out(10_000)))
    assert list(found["nodes"]) == ["1"]
    assert found["nodes"]["1"]["marks"] == "10000d"
    assert len(found["bars"]) < 600
    assert sum(bar.get("jobs", 1) for bar in found["bars"].values()) == 10_000


def test_a_page_of_a_fan_out_shows_its_items_and_goes_again() -> None:
    view = fed(fan_out(200))
    view.open("1", 1)
    assert [path for path in tables(view)["nodes"] if path != "1"] == [
        f"1/{index}" for index in range(50, 100)
    ]
    view.close("1")
    assert list(tables(view)["nodes"]) == ["1"]


def test_of_a_long_sequence_the_latest_steps_are_on_show() -> None:
    steps = [
        {"seq": n + 2, "at": 2.0, "run": "r", "type": "step_done", "path": str(n + 1)}
        for n in range(2_300)
    ]
    view = fed([{"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}, *steps[:2_100]])
    view.snapshot()
    nodes = tables(fed(steps[2_100:], view))["nodes"]
    assert nodes["0"] == {"kind": "fold", "count": 300, "state": "done"}
    assert sorted(nodes, key=int) == ["0", *(str(n) for n in range(301, 2_301))]


def test_steps_of_a_sequence_are_done_when_the_next_begins() -> None:
    group = {"seq": 2, "at": 1.0, "run": "r", "type": "step_started", "path": "1", "label": "one"}
    inner = {"seq": 3, "at": 1.1, "run": "r", "type": "step_done", "path": "1/1"}
    view = fed([{"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}, group, inner])
    assert tables(view)["nodes"]["1"]["state"] == "running"
    after = {"seq": 4, "at": 1.2, "run": "r", "type": "step_done", "path": "2"}
    assert tables(fed([after], view))["nodes"]["1"]["state"] == "done"


def test_output_is_kept_without_terminal_codes() -> None:
    text = "\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 <script>\x00"
    event = {"seq": 2, "at": 1.0, "run": "r", "type": "output", "label": text, "worker": "w1"}
    found = tables(fed([{"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}, event]))
    assert found["output"]["2"]["text"] == "red link <script>"


def test_letters_are_counted() -> None:
    assert run_lengths(b"dddwr....") == "3d1w1r4."
    assert run_lengths(b"") == ""


def test_a_failure_that_was_mended_is_forgotten() -> None:
    about = {"run": "r", "path": "1/0", "index": 0, "job": "j#1", "task": "t::f", "worker": "w1"}
    view = fed(
        [
            {"seq": 1, "at": 1.0, "run": "r", "type": "run_started"},
            {"seq": 2, "at": 1.0, "run": "r", "type": "step_started", "path": "1", "count": 1},
            {"seq": 3, "at": 1.1, "type": "job_queued", **about},
            {"seq": 4, "at": 1.2, "type": "job_dead", "error": "TaskError", **about},
            {"seq": 5, "at": 1.3, "run": "r", "type": "run_ended", "error": "TaskError"},
        ]
    )
    view.failed_at("1/0")
    assert tables(view)["nodes"]["1"]["state"] == "failed"
    fed(
        [
            {"seq": 6, "at": 2.0, "type": "job_redriven", **about},
            {"seq": 7, "at": 2.0, "run": "r", "type": "run_attached"},
            {"seq": 8, "at": 2.1, "type": "job_done", "attempt": 1, "delivery": 2, **about},
            {"seq": 9, "at": 2.2, "run": "r", "type": "run_ended"},
        ],
        view,
    )
    assert tables(view)["nodes"]["1"]["state"] == "done"


def test_a_step_of_the_driver_is_called_as_people_call_it() -> None:
    label = "use Prices.per_kilo e67ddbbefbe2fae3"
    about = {"run": "r", "at": 1.0}
    view = fed(
        [
            {"seq": 1, "type": "run_started", **about},
            {"seq": 2, "type": "step_done", "path": "1", "label": label, **about},
            {"seq": 3, "type": "step_done", "path": "2", "label": "attempt taste", **about},
        ]
    )
    nodes = tables(view)["nodes"]
    assert [nodes[path]["text"] for path in ("1", "2")] == ["Prices.per_kilo", "attempt taste"]


def failing(*rest: Event) -> list[Event]:
    """A run whose first step failed, and what came then."""
    about = {"run": "r", "path": "1", "job": "j#1", "task": "t::f", "worker": "w1"}
    rows: list[Event] = [
        {"type": "run_started", "run": "r"},
        {"type": "job_queued", **about},
        {"type": "job_failed", "error": "Boom()", **about},
        *rest,
    ]
    return [{"seq": seq, "at": seq / 10, **row} for seq, row in enumerate(rows, 1)]


NEXT: Event = {"type": "step_done", "run": "r", "path": "2"}
GOOD: Event = {"type": "run_ended", "run": "r"}
BAD: Event = {"type": "run_ended", "run": "r", "error": "Boom()"}


@pytest.mark.parametrize(
    ("rest", "state"),
    [([], "failed"), ([BAD], "failed"), ([GOOD], "caught"), ([NEXT], "caught"),
     ([NEXT, BAD], "caught")],
)  # fmt: skip
def test_a_failure_that_the_run_went_on_past_was_caught(rest: list[Event], state: str) -> None:
    found = tables(fed(failing(*rest)))
    assert found["nodes"]["1"]["state"] == state
    assert found["run"]["run"]["jobs"][state] == 1


def test_a_finalizer_that_runs_after_a_failure_does_not_catch_it() -> None:
    first, *rest = failing({"type": "step_done", "run": "r", "path": "1/end/1"}, BAD)
    found = tables(fed([first, *({**row, "path": "2"} for row in rest[:2]), *rest[2:]]))
    assert found["nodes"]["2"]["state"] == "failed"


@pytest.mark.parametrize("good", [True, False])
def test_a_fan_out_whose_failure_was_caught_says_so(good: bool) -> None:
    about = {"run": "r", "path": "1/2", "index": 2, "job": "j#1", "task": "t::f", "worker": "w1"}
    rows: list[Event] = [
        {"type": "run_started", "run": "r"},
        {"type": "step_started", "run": "r", "path": "1", "task": "t::f", "count": 4},
        {"type": "job_queued", **about},
        {"type": "job_failed", "error": "Boom()", **about},
        {"type": "step_done", "run": "r", "path": "1", "label": "for_each t::f ×4"},  # noqa: RUF001
        GOOD if good else BAD,
    ]
    found = tables(fed([{"seq": n, "at": n / 10, **row} for n, row in enumerate(rows, 1)]))
    assert found["nodes"]["1"]["state"] == ("caught" if good else "failed")
    assert expand(found["nodes"]["1"]["marks"]) == ("..h." if good else "..f.")


def test_a_call_whose_input_is_refused_has_failed_though_no_event_tells_of_it() -> None:
    error = "ContractViolation(task='t::f', where='input', errors=())"
    start: Event = {"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}
    group: Event = {**start, "seq": 2, "type": "step_started", "path": "1", "task": "t::f",
                    "count": 3}  # fmt: skip
    view = fed([start, group, {**BAD, "seq": 3, "at": 2.0, "error": error}])
    view.failed_at("1/2")
    nodes = tables(view)["nodes"]
    assert expand(nodes["1"]["marks"]) == "..f"
    assert nodes["1/2"] == {
        "kind": "job", "state": "failed", "parent": "1", "index": 2, "task": "t::f",
        "error": error,
    }  # fmt: skip
    assert "#2 t::f  failed (contract) · ContractViolation" in render_text(view.snapshot())


def small_plan(*steps: tuple[str, str | None]) -> View:
    stages = [Stage(text, str(n), task=task) for n, (text, task) in enumerate(steps, 1)]
    return View("r", "dist", stages)


def test_pauses_and_refused_calls_were_reached_though_no_event_tells_of_them() -> None:
    view = small_plan(("sleep(1)", None), ("t::f(9)", "t::f"), ("t::f(1)", "t::f"))
    fed([{**row, "path": "3"} if "path" in row else row for row in failing(GOOD)], view)
    nodes = tables(view)["nodes"]
    assert [nodes[path]["state"] for path in "123"] == ["done", "caught", "caught"]
    assert nodes["2"]["error"] == "its input was refused"


@pytest.mark.parametrize(("end", "states"), [(GOOD, ["caught", "planned"]), (BAD, ["planned"] * 2)])
def test_what_comes_after_a_refused_call_was_not_reached(end: Event, states: list[str]) -> None:
    view = small_plan(("t::f(9)", "t::f"), ("t::f(1)", "t::f"))
    start: Event = {"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}
    nodes = tables(fed([start, {**end, "seq": 2, "at": 2.0}], view))["nodes"]
    assert [nodes[path]["state"] for path in "12"] == states


@pytest.mark.parametrize(("end", "state"), [(GOOD, "caught"), (BAD, "failed")])
def test_a_step_of_the_driver_that_failed_says_so(end: Event, state: str) -> None:
    start: Event = {"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}
    step: Event = {**NEXT, "seq": 2, "at": 1.1, "path": "1", "label": "attempt look",
                   "error": "Boom()"}  # fmt: skip
    node = tables(fed([start, step, {**end, "seq": 3, "at": 1.2}]))["nodes"]["1"]
    assert (node["state"], node["error"]) == (state, "Boom()")


def test_a_step_after_which_a_program_gave_up_is_not_blamed_for_it() -> None:
    start: Event = {"seq": 1, "at": 1.0, "run": "r", "type": "run_started"}
    view = fed([start, {**NEXT, "seq": 2, "at": 1.1}, {**BAD, "seq": 3, "at": 1.2}])
    view.failed_at("2")
    assert tables(view)["nodes"]["2"]["state"] == "done"
