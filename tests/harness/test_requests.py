"""Every request that a random log leads to: legal, frozen, and the same everywhere."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from hypothesis import given, settings

from agentfx.harness._event import LogEvent
from agentfx.harness._request import MARK_EVERY, lines, marked
from agentfx.harness._transcript import LEFT_OUT, RUNNING, Transcript, transcript_of
from tests.harness.checker import check
from tests.harness.logs import seeds, world_of

many = settings(max_examples=200, deadline=None)


@given(seeds)
@many
def test_7_every_request_is_one_that_the_api_takes(seed: int) -> None:
    world = world_of(seed)
    for asked in world.asked:
        check(marked(asked.request), continues=asked.continues)


@given(seeds)
@many
def test_15_between_cuts_a_request_only_adds_to_the_one_before(seed: int) -> None:
    world = world_of(seed)
    for first, second in pairwise(world.asked):
        if first.cuts == second.cuts:
            before, after = lines(first.request), lines(second.request)
            assert after[: len(before)] == before


@given(seeds)
@many
def test_14_a_request_is_a_function_of_the_log(seed: int) -> None:
    world = world_of(seed)
    for asked in world.asked:
        again = transcript_of(world.events[: asked.after]).request(asked.upto)
        assert lines(again) == lines(asked.request)
        assert again.digest == asked.request.digest


@given(seeds)
@many
def test_16_answers_go_back_exactly_as_they_came(seed: int) -> None:
    world = world_of(seed)
    answers = [list(e.body["content"]) for e in world.events if e.kind == "assistant"]
    last = world.asked[-1]
    if last.cuts:
        return
    sent = [list(m.content) for m in last.request.messages if m.role == "assistant"]
    known = [
        a for a, e in zip(answers, [e for e in world.events if e.kind == "assistant"], strict=True)
        if a and e.seq <= last.after
    ]  # fmt: skip
    assert sent == known


@given(seeds)
@many
def test_18_after_a_cut_no_thinking_of_before_it_is_sent(seed: int) -> None:
    world = world_of(seed)
    cut = max((e.seq for e in world.events if e.kind == "cut"), default=0)
    older = {
        b["signature"]
        for e in world.events
        if e.kind == "assistant" and e.seq < cut
        for b in e.body["content"]
        if b["type"] == "thinking"
    }
    for asked in world.asked:
        if asked.after >= cut > 0:
            blocks = [b for m in asked.request.messages for b in m.content]
            assert older.isdisjoint(b.get("signature") for b in blocks)


@given(seeds)
@many
def test_8_a_real_result_appears_once_and_a_placeholder_stays(seed: int) -> None:
    world = world_of(seed)
    last = world.asked[-1]
    if last.cuts:
        return
    for event in world.events:
        if event.kind != "tool_result" or event.seq > last.upto:
            continue
        blocks = [b for m in last.request.messages for b in m.content]
        answers = [b for b in blocks if b.get("tool_use_id") == event.body["id"]]
        late = [
            b for b in blocks
            if b["type"] == "text" and f"call {event.body['id']} of" in b["text"]
        ]  # fmt: skip
        held_a_place = [b for b in answers if b["content"] == RUNNING]
        assert len(answers) == 1
        assert len(late) == len(held_a_place)


@given(seeds)
@many
def test_47_a_cut_never_moves_back_and_says_so(seed: int) -> None:
    world = world_of(seed)
    places = [e.body["from"] for e in world.events if e.kind == "cut"]
    assert places == sorted(places)
    for asked in world.asked:
        if asked.cuts:
            assert asked.request.messages[0].content[0] == {"type": "text", "text": LEFT_OUT}


@given(seeds)
@many
def test_19_marks_are_near_what_was_sent_before(seed: int) -> None:
    world = world_of(seed)
    for first, second in pairwise(world.asked):
        if first.cuts != second.cuts:
            continue
        body = marked(second.request)
        blocks = [b for m in body["messages"] for b in m["content"]]
        shared = sum(len(m.content) for m in first.request.messages)
        marks = [i + 1 for i, b in enumerate(blocks) if "cache_control" in b]
        assert min(abs(mark - shared) for mark in marks) <= MARK_EVERY


def test_19_a_mark_stands_where_the_last_request_ended_however_much_came_since() -> None:
    state = Transcript()

    def add(kind: str, **body: Any) -> None:
        stimulus = kind in ("user_message", "tool_result")
        state.add([LogEvent(state.head + 1, 0.0, "w1", 1, kind, body, stimulus)])

    calls: list[dict[str, Any]] = [
        {"call": f"2.{n}", "id": f"c{n}", "name": "t", "input": {}} for n in range(100)
    ]
    add("session_started")
    add("user_message", content="go")
    add("model_call", sent=2)
    add("assistant", content=[{"type": "tool_use", **call} for call in calls], calls=calls)
    for call in calls:
        add("tool_result", call=call["call"], content="done", is_error=False)
    blocks = [b for m in marked(state.request(state.head))["messages"] for b in m["content"]]
    assert len(blocks) == 201
    assert next(n for n, block in enumerate(blocks, 1) if "cache_control" in block) == 1


@given(seeds)
@many
def test_23_reactions_never_fall(seed: int) -> None:
    world = world_of(seed)
    reacted = [e.reacting_to for e in world.events if e.reacting_to is not None]
    assert reacted == sorted(reacted)
    sent = [e.body["sent"] for e in world.events if e.kind == "model_call"]
    assert sent == sorted(sent)


RENDER = """
import json, sys
from agentfx.harness._event import LogEvent
from agentfx.harness._request import lines
from agentfx.harness._transcript import transcript_of
events = [LogEvent(**row) for row in json.load(sys.stdin)]
state = transcript_of(events)
print(json.dumps(lines(state.request(state.stimulus))))
"""


def test_14_another_process_with_another_hash_seed_and_time_zone() -> None:
    found = [world_of(seed) for seed in range(20)]
    events = max((world.events for world in found), key=len)
    state = transcript_of(events)
    expected = lines(state.request(state.stimulus))
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        done = subprocess.run(
            [sys.executable, "-c", RENDER],
            input=json.dumps([_row(event) for event in events]),
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == expected


def _row(event: LogEvent) -> dict[str, object]:
    return asdict(event)
