"""The read model of a conversation, from its events."""

import random
from typing import Any

import pytest

from agentfx.harness import LogEvent, Status
from agentfx.notebook._approval import fields_of, problems_of
from agentfx.notebook._tables import apply_diff
from agentfx.notebook._talk import LIVE, Talk
from agentfx.notebook._talk_text import render_html, render_text
from tests.harness.logs import world_of

TOOL = {
    "spec": {
        "input_schema": {
            "type": "object",
            "properties": {
                "amount": {"type": "integer", "minimum": 1},
                "to": {"type": "string", "description": "Who gets it."},
                "fast": {"type": "boolean"},
                "kind": {"enum": ["a", "b"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["amount", "to"],
            "additionalProperties": False,
        }
    }
}


def event(seq: int, kind: str, body: dict[str, Any], writer: str = "w1") -> LogEvent:
    return LogEvent(seq, 1000.0 + seq, writer, 1, kind, body)


def with_a_call() -> list[LogEvent]:
    call = {"call": "3.0", "id": "c", "name": "pay", "input": {"amount": 3}}
    return [
        event(1, "session_started", {"agent": "a", "model": {"name": "m"}, "tools": []}),
        event(2, "user_message", {"content": "<i>go</i>"}, "me"),
        event(3, "model_call", {"sent": 2, "request": "r", "blocks": 1}),
        event(
            4, "assistant",
            {"content": [{"type": "tool_use", "id": "c", "name": "pay", "input": {"amount": 3}}],
             "stop_reason": "tool_use", "calls": [call], "attempt": "3"},
        ),
        event(5, "tool_started", {"call": "3.0", "task": "pay", "delivery": 1}),
    ]  # fmt: skip


def job(kind: str, at: float, **more: Any) -> dict[str, Any]:
    return {"type": kind, "at": at, "job": "j", "path": "call/3.0", "worker": "w1", **more}


def talk_rows(talk: Talk) -> dict[str, Any]:
    rows: dict[str, Any] = talk.snapshot()["tables"].get("talk", {})
    return rows


def the_call(talk: Talk) -> dict[str, Any]:
    found: dict[str, Any] = talk_rows(talk)["00000004.000"]
    return found


@pytest.mark.parametrize("seed", range(30))
def test_any_log_is_shown_and_its_diffs_lead_to_the_snapshot(seed: int) -> None:
    events, chance = world_of(seed).events, random.Random(seed)  # noqa: S311
    talk = Talk("s")
    shown = talk.snapshot()
    while events:
        count = chance.randint(1, 4)
        talk.apply(events[:count])
        events = events[count:]
        diff = talk.diff(shown["version"])
        if diff is not None:
            shown = apply_diff(shown, diff)
    assert shown == talk.snapshot()
    assert render_text(shown)
    assert "<script" not in render_html(shown)


@pytest.mark.parametrize("seed", range(10))
def test_what_was_before_is_counted_and_not_shown(seed: int) -> None:
    events = world_of(seed).events
    first = max(e.seq for e in events if e.kind == "user_message")
    talk = Talk("s", first)
    talk.apply(events)
    shown = {row.get("seq", first) for row in talk_rows(talk).values() if row["type"] == "user"}
    assert min(shown) == first


@pytest.mark.parametrize("log_first", [True, False])
def test_a_hand_off_has_its_intervals_whichever_way_is_faster(log_first: bool) -> None:
    talk = Talk("s")
    talk.apply(with_a_call())
    again = event(6, "tool_started", {"call": "3.0", "task": "pay", "delivery": 2}, "w2")
    if log_first:
        talk.apply([again])
    talk.jobs([job("job_lost", 1005.0, ms=12.0)])
    if not log_first:
        assert the_call(talk)["state"] == "moved"
    talk.jobs([job("job_requeued", 1005.001), job("job_started", 1005.004, worker="w2")])
    if not log_first:
        talk.apply([again])
    row = the_call(talk)
    assert (row["state"], row["worker"]) == ("running", "w2")
    (move,) = row["moves"]
    assert (move["from"], move["to"]) == ("w1", "w2")
    assert move["noticed_ms"] == pytest.approx(13.0, abs=0.2)
    assert move["waited_ms"] == pytest.approx(3.0, abs=0.2)


def test_text_of_an_unfinished_answer_is_void_when_it_is_said_so() -> None:
    talk = Talk("s")
    talk.apply(with_a_call()[:3])
    talk.say([{"type": "text", "text": "Hel"}, {"type": "thinking", "text": "hm"}], voided=False)
    talk.say([{"type": "text", "text": "lo"}], voided=False)
    assert talk_rows(talk)[LIVE] == {
        "type": "answer", "live": True, "text": "Hello", "thinking": "hm",
    }  # fmt: skip
    talk.say([{"type": "text", "text": "Anew"}], voided=True)
    assert talk_rows(talk)[LIVE]["text"] == "Anew"
    talk.apply(with_a_call()[3:])
    assert LIVE not in talk_rows(talk)


def test_a_decided_call_has_no_form_any_more() -> None:
    talk = Talk("s")
    talk.apply([*with_a_call()[:4], event(5, "approval_requested", {"call": "3.0"}, "services")])
    assert talk.held == ["3.0"]
    assert set(talk.snapshot()["tables"]["held"]) == {"3.0"}
    talk.apply([event(6, "rejected", {"call": "3.0", "reason": "no"}, "me")])
    talk.apply([event(7, "tool_result", {
        "call": "3.0", "content": "rejected", "is_error": True, "by": "rejection",
    }, "me")])  # fmt: skip
    assert talk.held == []
    assert "held" not in talk.snapshot()["tables"]
    assert the_call(talk)["state"] == "rejected"


def test_the_state_is_what_the_services_say() -> None:
    talk = Talk("s")
    for status, state in (
        (Status(1, 1, True, (), (), None, 0.0, 0.0), "running"),
        (Status(1, 1, True, (), (), 5.0, 0.0, 0.0), "waiting"),
        (Status(1, 1, False, ("3.0",), (), None, 0.0, 0.0), "held"),
        (Status(1, 1, False, (), (), None, 0.0, 0.0), "idle"),
    ):
        talk.stand(status)
        assert talk.snapshot()["tables"]["session"]["session"]["state"] == state


def test_a_field_for_each_argument() -> None:
    asked = {"amount": 3, "to": "me", "tags": ["x"], "more": None}
    fields = {row["name"]: row for row in fields_of(TOOL, asked)}
    assert list(fields) == ["amount", "to", "fast", "kind", "tags", "more"]
    assert {name: row["control"] for name, row in fields.items()} == {
        "amount": "integer", "to": "text", "fast": "boolean", "kind": "choice", "tags": "json",
        "more": "json",
    }  # fmt: skip
    assert fields["to"]["about"] == "Who gets it."
    assert [name for name, row in fields.items() if row["required"]] == ["amount", "to"]
    assert (fields["amount"]["value"], fields["tags"]["value"]) == ("3", '["x"]')
    assert fields["kind"]["choices"] == ['"a"', '"b"']


def test_an_argument_that_is_not_what_it_looks_like_is_shown_escaped() -> None:
    row = next(row for row in fields_of(TOOL, {"to": "me\u202egpj.exe"}) if row["name"] == "to")
    assert (row["control"], row["value"]) == ("json", '"me\\u202egpj.exe"')


def test_what_the_schema_refuses_is_said_by_argument() -> None:
    found = problems_of(TOOL, {"amount": 0, "to": 5, "tags": ["x", 1]})
    assert set(found) == {"amount", "to", "tags"}
    assert problems_of(TOOL, {"amount": 1, "to": "me"}) == {}
    assert set(problems_of(TOOL, {"amount": 1})) == {"to"}
