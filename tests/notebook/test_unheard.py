"""What the tree of a run shows of steps that no event tells of."""

from typing import Any

import pytest

import agentfx as fx
from agentfx.notebook._outline import outline
from agentfx.notebook._text import render_text
from agentfx.notebook._view import View
from agentfx.notebook._words import tree_lines
from tests.notebook.streams import Event
from tests.notebook.test_view import BAD, GOOD, NEXT, expand, fed, tables


def told(*rows: Event) -> list[Event]:
    """Events of a run, one a second."""
    begun: Event = {"type": "run_started"}
    return [{"run": "r", "seq": n, "at": float(n), **row} for n, row in enumerate((begun, *rows))]


def item(index: int, kind: str, **fields: Any) -> Event:
    return {
        "type": kind, "path": f"1/{index}", "index": index, "job": f"{index}#1", "task": "t::f",
        **fields,
    }  # fmt: skip


VIOLATION = "ContractViolation(task='t::f', where='input', errors=())"


def test_an_item_whose_input_was_refused_has_failed_though_the_run_went_on() -> None:
    opened: Event = {"type": "step_started", "path": "1", "task": "t::f", "count": 4}
    failed: Event = {"type": "step_done", "path": "1", "error": VIOLATION}
    rows = [opened, item(0, "job_done"), item(2, "job_cancelled"), failed]
    now = tables(fed(told(*rows)))["nodes"]
    assert (now["1"]["state"], expand(now["1"]["marks"])) == ("failed", "dfc.")
    assert (now["1/1"]["task"], now["1/1"]["error"]) == ("t::f", VIOLATION)
    then = tables(fed(told(*rows, NEXT, GOOD)))["nodes"]
    assert (then["1"]["state"], expand(then["1"]["marks"])) == ("caught", "dhc.")


def test_the_failure_of_a_lower_item_is_the_one_that_counts() -> None:
    opened: Event = {"type": "step_started", "path": "1", "task": "t::f", "count": 3}
    failed: Event = {"type": "step_done", "path": "1", "error": "Boom()"}
    rows = [opened, item(0, "job_failed", error="Boom()"), failed]
    assert expand(tables(fed(told(*rows)))["nodes"]["1"]["marks"]) == "f.."


@pytest.mark.parametrize(("state", "marks"), [("job_done", "dd"), ("job_cancelled", "c.")])
def test_an_item_that_had_no_job_is_done_unless_the_fan_out_was_cut_off(
    state: str, marks: str
) -> None:
    opened: Event = {"type": "step_started", "path": "1", "count": 2}
    inner = {**item(0, state), "path": "1/0/1", "index": None}
    view = fed(told(opened, inner, NEXT, GOOD))
    assert expand(tables(view)["nodes"]["1"]["marks"]) == marks
    assert ("#1 without a job" in render_text(view.snapshot())) == (state == "job_done")


def call(path: str, kind: str = "job_done", **fields: Any) -> Event:
    return {"type": kind, "path": path, "job": f"{path}#1", "task": "t::f", **fields}


@fx.task("t::f")
async def one(n: int) -> int:
    return n


CUT: Event = {"type": "run_ended", "error": "cancelled"}


@pytest.mark.parametrize(
    ("rows", "states"),
    [
        ([], ["running", "planned", "planned", "planned"]),
        ([call("2", "job_queued")], ["done", "waiting", "planned", "planned"]),
        ([call("2")], ["done", "done", "running", "planned"]),
        ([call("2"), call("4", "job_started")], ["done", "done", "done", "running"]),
        ([call("2"), CUT], ["done", "done", "cancelled", "planned"]),
    ],
)
def test_a_pause_goes_on_from_the_step_before_it_to_the_one_after(
    rows: list[Event], states: list[str]
) -> None:
    program = fx.sleep(1).zip(one(1)).zip(fx.sleep(1)).zip(one(2))
    nodes = tables(fed(told(*rows), View("r", "dist", outline(program))))["nodes"]
    assert [nodes[path]["state"] for path in "1234"] == states


def test_a_finalizer_stands_after_what_it_ends_and_is_named_as_in_the_program() -> None:
    program = one(1).zip(one(2)).ensuring(one(9).either()).zip(one(3))
    failed = call("2", "job_failed", error="Boom()")
    end = {**BAD, "error": "Boom()"}
    view = fed(told(failed, call("1/end/1"), end), View("r", "dist", outline(program)))
    view.failed_at("2")
    tree = [line.text for line in tree_lines(view.snapshot())]
    name = ".ensuring(t::f(9).either())"
    assert tree == ["t::f(1)", ".zip", "t::f(2)", name, "t::f", ".zip", "t::f(3)"]
    nodes = tables(view)["nodes"]
    assert [nodes[path]["state"] for path in "1234"] == ["done", "failed", "planned", "planned"]


def test_a_finalizer_that_was_not_planned_is_called_one() -> None:
    nodes = tables(fed(told(call("2"), call("1/end/1"), GOOD)))["nodes"]
    assert "1/end" not in nodes
    assert nodes["1"]["text"] == "finalizer"


def test_a_failure_that_was_caught_after_a_finalizer_is_one_that_was_caught() -> None:
    failed = call("2", "job_failed", error="Boom()")
    nodes = tables(fed(told(failed, call("1/end/1"), call("3", "job_queued"))))["nodes"]
    assert nodes["2"]["state"] == "caught"
