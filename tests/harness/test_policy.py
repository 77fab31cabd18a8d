"""Decisions: stop reasons, retries, limits, names, calls that are not run."""

from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import Published
from agentfx.harness import Limits, ModelError, Reply, Retry, Window
from agentfx.harness._event import LogEvent
from agentfx.harness._model import RETRIED, ErrorClass
from agentfx.harness._policy import cut_at, delay_after, limit_reached, on_stop
from agentfx.harness._request import lines
from agentfx.harness._tool import approved, as_tool, described
from agentfx.harness._transcript import NO_TEXT, RUNNING, Transcript, transcript_of
from agentfx.harness._turn import turn_of
from tests.harness import agents
from tests.harness.logs import TOOLS

STOPS = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "tool_use": "run_tools",
    "max_tokens": "run_tools",
    "pause_turn": "resume",
    "compaction": "resume",
    "refusal": "refused",
    "model_context_window_exceeded": "cut_window",
    "from_next_year": "end_unknown",
}
CALL: dict[str, Any] = {"type": "tool_use", "id": "t1", "name": "math__add", "input": {"a": 1}}


def log(*events: tuple[str, dict[str, Any]]) -> Transcript:
    """A transcript: a session, a message, and more."""
    first: list[tuple[str, dict[str, Any]]]
    first = [("session_started", {"tools": TOOLS}), ("user_message", {"content": "go"})]
    return transcript_of(
        LogEvent(n, 0.0, "w", 1, kind, body, stimulus=kind in ("user_message", "tool_result"))
        for n, (kind, body) in enumerate([*first, *events], start=1)
    )


def turn(state: Transcript, *content: dict[str, Any], stop: str = "tool_use", **more: Any) -> Any:
    return turn_of(Reply(content, stop, **more), state, state.stimulus, "3", Limits())


@pytest.mark.parametrize(("stop", "action"), STOPS.items())
def test_37_every_stop_reason_has_one_action(stop: str, action: str) -> None:
    assert on_stop(stop) == action


def test_37_a_refusal_ends_the_turn_and_is_not_sent_back() -> None:
    found = turn(log(), {"type": "text", "text": "no"}, stop="refusal")
    assert [(e["kind"], e["reacting_to"]) for e in found.events] == [("refused", 2)]


def test_37_a_paused_turn_is_no_reaction_so_that_it_goes_on() -> None:
    found = turn(log(), {"type": "text", "text": "…"}, stop="pause_turn")
    assert found.events[0]["reacting_to"] is None


def test_37_too_long_a_request_is_cut() -> None:
    assert turn(log(), stop="model_context_window_exceeded").cut


def test_11_a_call_with_bad_arguments_is_answered_and_not_run() -> None:
    found = turn(log(), CALL, bad_arguments=frozenset({"t1"}))
    assert found.calls == []
    assert "did not start" in found.events[1]["body"]["content"]


def test_a_call_of_an_unknown_stop_reason_is_not_run() -> None:
    found = turn(log(), CALL, stop="from_next_year")
    assert found.calls == []
    assert found.events[0]["body"]["stop_reason"] == "from_next_year"


def test_a_tool_that_is_not_there_is_answered_with_those_that_are() -> None:
    found = turn(log(), {**CALL, "name": "nobody"})
    assert "there are: math__add, math__mul" in found.events[1]["body"]["content"]


def test_13_an_id_used_twice_makes_two_calls() -> None:
    found = turn(log(), CALL, {**CALL, "input": {"a": 2}})
    assert [call["call"] for call in found.calls] == ["3.0", "3.1"]
    assert [call["input"] for call in found.calls] == ['{"a":1}', '{"a":2}']


def test_26_what_cannot_be_rendered_has_a_place_of_its_own() -> None:
    contents: list[Any] = ["", " \n", None, []]
    for content in contents:
        state = log(("user_message", {"content": content}))
        request = state.request(state.stimulus)
        assert request.messages[0].content[1] == {"type": "text", "text": NO_TEXT}


@pytest.mark.parametrize(
    "kind",
    [
        "invalid_request", "auth", "billing", "permission", "not_found", "too_large",
        "spend_limit", "context_window", "script", "missing_key",
    ],
)  # fmt: skip
def test_34_what_would_fail_again_is_not_tried_again(kind: ErrorClass) -> None:
    assert kind not in RETRIED
    assert delay_after(ModelError(kind, ""), 1, Retry(), "k") is None


@pytest.mark.parametrize("kind", sorted(RETRIED))
def test_32_what_may_pass_is_tried_again_and_waits_longer(kind: ErrorClass) -> None:
    error = ModelError(kind, "")
    rules = Retry(attempts=4, first_seconds=2.0, most_seconds=5.0)
    waits = [delay_after(error, tried, rules, f"k{tried}") for tried in (1, 2, 3, 4)]
    assert waits[3] is None
    for wait, most in zip(waits, (2.0, 4.0, 5.0), strict=False):
        assert wait is not None
        assert most / 2 <= wait <= most


def test_33_the_wait_is_never_shorter_than_asked_for_and_capped() -> None:
    def error(seconds: float) -> ModelError:
        return ModelError("rate_limit", "", retry_after=seconds)

    assert delay_after(error(60), 1, Retry(), "k") == 60
    assert delay_after(error(4000), 1, Retry(), "k") is None


def test_35_a_kill_uses_up_no_attempt() -> None:
    call = ("model_call", {"sent": 2})
    assert log(call, call, call).errors == 0
    failed = ("model_error", {"class": "server"})
    assert log(call, failed, call, call).errors == 1


def test_40_limits_are_named() -> None:
    call = ("model_call", {"sent": 2})
    assert limit_reached(log(call), Limits(), 10.0) is None
    assert str(limit_reached(log(call, call), Limits(steps=2), 0.0)).startswith("steps")
    assert str(limit_reached(log(), Limits(seconds=5), 6.0)).startswith("seconds")
    used = ("usage", {"tokens": 10})
    assert str(limit_reached(log(used), Limits(tokens=10), 0.0)).startswith("tokens")


def test_a_new_message_starts_the_count_again() -> None:
    call = ("model_call", {"sent": 2})
    assert log(call, call, ("user_message", {"content": "x"})).steps == 0


def test_41_a_call_that_failed_twice_is_answered_here() -> None:
    turns: list[tuple[str, dict[str, Any]]] = []
    for number in (0, 1):
        call = {"call": f"c.{number}", "id": f"i{number}", "name": "math__add", "input": {"a": 1}}
        content = [{**CALL, "id": f"i{number}"}]
        turns.append(("model_call", {"sent": 2}))
        turns.append(("assistant", {"content": content, "calls": [call]}))
        turns.append(("tool_result", {**call, "content": "no", "is_error": True}))
    found = turn(log(*turns), {**CALL, "id": "i9"})
    assert found.calls == []
    assert "has failed 2 times" in found.events[1]["body"]["content"]
    assert turn(log(*turns), {**CALL, "id": "i9", "input": {"a": 2}}).calls


def test_8_a_result_after_a_failed_attempt_keeps_its_placeholder() -> None:
    call = {"call": "3.0", "id": "t1", "name": "math__add", "input": {"a": 1}}
    turns: list[tuple[str, dict[str, Any]]] = [
        ("model_call", {"sent": 2}),
        ("assistant", {"content": [CALL], "calls": [call]}),
        ("user_message", {"content": "and?"}),
        ("model_call", {"sent": 5}),  # nobody answered it
        ("tool_result", {**call, "content": "42", "is_error": False}),
    ]
    before = log(*turns[:3])
    after = log(*turns)
    sent, now = lines(before.request(5)), lines(after.request(7))
    assert RUNNING in sent[-2]
    assert now[: len(sent)] == sent
    assert "42" in now[-1]


def test_a_cut_needs_a_place_and_is_rare() -> None:
    texts = [("user_message", {"content": "x" * 300})]
    turns: list[tuple[str, dict[str, Any]]] = []
    for number in range(10):
        turns += texts
        turns.append(("model_call", {"sent": 3 * number + 3}))
        answer = {"content": [{"type": "text", "text": "y" * 300}], "calls": []}
        turns.append(("assistant", answer))
    state = log(*turns)
    assert cut_at(state, Window(tokens=100_000)) is None
    place = cut_at(state, Window(tokens=1000, keep=0.5))
    assert place is not None
    assert 10 <= place < 20
    assert place % 2 == 0


@fx.task("tests::odd name-1")
async def odd() -> None:
    """Say nothing.

    More about it.
    """


def test_names_are_what_the_api_takes_and_lead_back() -> None:
    ids = ["tests::" + "x" * 80, "tests::" + "x" * 80 + "y"]
    far, twin = fx.remote(ids[0], replayable=True), fx.remote(ids[1])
    given: list[Any] = [agents.add, odd, approved(far), twin]
    published = {ids[0]: Published({"type": "object", "title": "Far"})}
    tools = described(given, published)
    names = [tool["name"] for tool in tools]
    assert names[:2] == ["tests__add", "tests__odd_name-1"]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 for name in names)
    assert [tool["id"] for tool in tools[2:]] == ids
    assert [tool["approval"] for tool in tools] == [False, False, True, False]
    assert tools[1]["spec"]["description"] == "Say nothing."
    assert [tool["at_most_once"] for tool in tools] == [False, False, False, True]
    assert [tool["code"] for tool in tools] == [None, None, "foreign", "foreign"]
    assert tools[2]["spec"]["input_schema"]["title"] == "Far"
    with pytest.raises(TypeError, match="a tool is a task"):
        as_tool("add")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
