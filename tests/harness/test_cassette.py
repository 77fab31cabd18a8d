"""Cassettes: cut from a real log, played strictly."""

from dataclasses import replace
from pathlib import Path

import pytest

from agentfx.harness import (
    Agent,
    Attempt,
    Cassette,
    CassetteError,
    CassetteModel,
    ModelError,
    ScriptedModel,
    text,
    tool_use,
)
from agentfx.harness._event import LogEvent
from agentfx.harness._request import lines
from agentfx.harness._transcript import transcript_of
from tests.harness.logs import world_of


def recorded(seed: int) -> list[LogEvent]:
    return world_of(seed).events


async def replay(model: CassetteModel, events: list[LogEvent]) -> int:
    """Ask the model everything that a log asked; how many answers came."""
    count = 0
    for number, event in enumerate(events):
        answered = any(
            e.kind == "assistant" and e.body["attempt"] == str(event.seq) for e in events
        )
        if event.kind != "model_call" or not answered:
            continue
        request = transcript_of(events[:number]).request(event.body["sent"])
        reply = await model.complete(request, Attempt())
        answer = next(e for e in events[number:] if e.kind == "assistant")
        assert list(reply.content) == list(answer.body["content"])
        assert reply.stop_reason == answer.body["stop_reason"]
        count += 1
    return count


@pytest.mark.parametrize("seed", range(12))
async def test_51_the_same_log_gives_the_same_answers(seed: int, tmp_path: Path) -> None:
    events = recorded(seed)
    cassette = Cassette.cut(events)
    cassette.save(tmp_path / "c.json")
    model = CassetteModel(Cassette.load(tmp_path / "c.json"))
    model.assert_complete(await replay(model, events))


async def test_51_a_request_that_differs_is_refused_and_the_first_difference_shown() -> None:
    events = recorded(3)
    model = CassetteModel(Cassette.cut(events))
    call = next(e for e in events if e.kind == "model_call")
    changed = [
        replace(event, body={"content": "other"}) if event.kind == "user_message" else event
        for event in events[: call.seq - 1]
    ]
    request = transcript_of(changed).request(call.body["sent"])
    with pytest.raises(ModelError, match=r"request 1 differs: block 1\n  recorded: ") as raised:
        await model.complete(request, Attempt())
    assert lines(request)[2] in str(raised.value)


def test_51_an_unused_answer_is_an_error() -> None:
    events = recorded(3)
    model = CassetteModel(Cassette.cut(events))
    with pytest.raises(CassetteError, match="0 of "):
        model.assert_complete(0)


def test_a_range_of_a_log() -> None:
    events = next(
        log for log in map(recorded, range(100)) if sum(e.kind == "assistant" for e in log) > 2
    )
    answers = [e.seq for e in events if e.kind == "assistant"]
    assert len(Cassette.cut(events, last=answers[1]).entries) == 2


@pytest.mark.parametrize("content", ["", "{}", '{"cassette": 99}', "[1]"])
def test_what_is_no_cassette_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(content)
    with pytest.raises(CassetteError):
        Cassette.load(path)


async def test_a_script_is_read_in_order_and_to_its_end() -> None:
    model = ScriptedModel([[tool_use("math__add", a=1)], [text("done")]])
    Agent("scripted", model=model)
    events = recorded(0)[:2]
    request = transcript_of(events).request(2)
    reply = await model.complete(request, Attempt())
    assert reply.stop_reason == "tool_use"
    with pytest.raises(AssertionError, match="1 of 2 answers"):
        model.assert_complete(1)
    model.assert_complete(2)
    with pytest.raises(AssertionError, match="3 answers came, the script has 2"):
        model.assert_complete(3)


def test_a_log_tells_how_many_answers_it_has() -> None:
    events = recorded(3)
    count = sum(event.kind == "assistant" for event in events)
    assert count
    CassetteModel(Cassette.cut(events)).assert_complete(events)
    ScriptedModel([[text("x")]] * count).assert_complete(events)
    with pytest.raises(AssertionError, match=f"{count} of {count + 1} answers"):
        ScriptedModel([[text("x")]] * (count + 1)).assert_complete(events)
