"""Sessions on a real cluster: workers, services and store as users have them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

import agentfx as fx
from agentfx import harness
from agentfx.harness import LogEvent, Session
from agentfx.harness._request import marked
from agentfx.harness._transcript import transcript_of
from tests.harness import agents
from tests.harness.checker import check

pytestmark = pytest.mark.slow


def kinds(session: Session) -> list[str]:
    return [event.kind for event in session.events]


def of(session: Session, kind: str) -> list[LogEvent]:
    return [event for event in session.events if event.kind == kind]


async def test_a_question_and_its_answer(cluster: fx.Cluster) -> None:
    session = await harness.open("sum", agents.adder, backend=cluster)
    assert await session.ask("1 2 3") == "6"
    assert await session.ask("5 5") == "10"
    assert {e.writer for e in of(session, "assistant")} <= {"w1", "w2"}
    table = session.log()
    assert list(table["seq"]) == list(range(1, len(table) + 1))
    assert set(table.columns) >= {"seq", "at", "writer", "epoch", "kind", "call", "tokens", "cost"}


async def test_an_agent_of_a_cell_reaches_the_workers(cluster: fx.Cluster) -> None:
    def answer(request: harness.Request) -> list[harness.Block]:
        return [harness.text(f"you said {agents.last_words(request)}")]

    parrot = harness.Agent("parrot", model=harness.StubModel(answer), module="__main__")
    session = await harness.open("parrot", parrot, backend=cluster)
    assert await session.ask("hello") == "you said hello"


async def test_calls_of_a_turn_run_side_by_side_and_each_has_one_result(
    cluster: fx.Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "notes"
    session = await harness.open("notes", agents.noter, backend=cluster)
    assert await session.ask(f"{path} a b c") == "a b c"
    assert sorted(line.split()[0] for line in path.read_text().splitlines()) == ["a", "b", "c"]
    assert len(of(session, "tool_result")) == 3


async def test_every_request_that_was_made_is_legal(cluster: fx.Cluster) -> None:
    session = await harness.open("legal", agents.adder, backend=cluster)
    await session.ask("1 2 3 4")
    for event in of(session, "model_call"):
        state = transcript_of(session.events[: event.seq - 1])
        request = state.request(event.body["sent"])
        assert request.digest == event.body["request"]
        check(marked(request))


async def test_43_an_approved_call_runs_exactly_what_was_approved(
    cluster: fx.Cluster, tmp_path: Path
) -> None:
    path = tmp_path / "notes"
    session = await harness.open("approve", agents.asker, backend=cluster)
    await session.ask(f"{path} a b")
    first, second = (await session.status()).held
    assert not path.exists()
    for wrong in ({"path": str(path)}, {"path": str(path), "word": 3}, {"word": "x", "more": 1}):
        with pytest.raises(harness.SessionError, match="does not take these arguments"):
            await session.approve(first, wrong)
    assert await session.approve(first, {"path": str(path), "word": "changed"})
    assert await session.reject(second, "Not b.")
    assert not await session.approve(second)
    answer = await session.idle()
    assert path.read_text().split()[0] == "changed"
    said = next(e for e in of(session, "tool_result") if e.body["call"] == first)
    assert "A person changed the arguments" in said.body["content"]
    assert "Not b." in answer
    assert "changed" in answer


async def test_41_the_same_failing_call_is_not_made_for_ever(cluster: fx.Cluster) -> None:
    session = await harness.open("mule", agents.mule, backend=cluster)
    assert await session.ask("go") == "I give up."
    assert len(of(session, "tool_started")) == 2


async def test_40_a_limit_ends_the_turn_in_an_event(cluster: fx.Cluster) -> None:
    session = await harness.open("spin", agents.spinner, backend=cluster)
    answer = await session.ask("go")
    assert answer.startswith("[limit_reached")
    assert len(of(session, "model_call")) == 3
    assert (await session.ask("again")).startswith("[limit_reached")


async def test_28_and_29_a_message_overtakes_a_model_call(cluster: fx.Cluster) -> None:
    session = await harness.open("overtake", agents.thinker, backend=cluster)
    await session.send("1 2")
    await _until(session, "model_call", 1)
    await session.send("3 4")
    await _until(session, "model_call", 2)  # while the first one would still think for 30 s
    await _until(session, "usage", 1)
    await session.refresh()
    (usage,) = of(session, "usage")
    assert (usage.body["used"], usage.body["why"]) == (False, "aborted")
    assert of(session, "assistant") == []
    await session.cancel("enough")
    assert not (await session.status()).busy
    assert kinds(session)[-1] != "assistant"


async def test_46_and_48_a_watcher_sees_each_event_once_and_writes_nothing(
    cluster: fx.Cluster,
) -> None:
    session = await harness.open("watched", agents.adder, backend=cluster)
    seen: list[int] = []

    async def look() -> None:
        async for news in (await harness.attach("watched", backend=cluster)).watch():
            seen.extend(event.seq for event in news.events)
            if len([e for e in news.events if e.kind == "assistant" and not e.body["calls"]]):
                return

    looking = asyncio.ensure_future(look())
    await session.ask("1 2 3")
    async with asyncio.timeout(10):
        await looking
    assert seen == list(range(1, len(session.events) + 1))
    assert (await session.status()).head == len(session.events)


async def test_45_a_fork_with_another_agent_and_a_comparison(cluster: fx.Cluster) -> None:
    session = await harness.open("parent", agents.adder, backend=cluster)
    await session.ask("1 2")
    before = await session.refresh()
    branch = await session.fork(2, "branch", agent=agents.spinner)
    assert (await branch.idle()).startswith("[limit_reached")
    assert await session.refresh() == before
    assert [e.hash for e in branch.events[:2]] == [e.hash for e in before[:2]]
    first = of(branch, "assistant")[0]  # already the first step is the other agent's
    assert [call["input"] for call in first.body["calls"]] == [{"a": 0, "b": 1}]


async def test_opening_again_goes_on_where_it_was(cluster: fx.Cluster) -> None:
    first = await harness.open("again", agents.adder, backend=cluster)
    await first.ask("1 2")
    second = await harness.open("again", agents.adder, backend=cluster)
    assert await second.ask("3 4") == "7"
    assert kinds(second).count("session_started") == 1
    with pytest.raises(harness.SessionError):
        await harness.attach("nobody", backend=cluster)


async def _until(session: Session, kind: str, count: int) -> None:
    """Wait for the n-th event of a kind."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        async for news in session.watch():
            found += [event for event in news.events if event.kind == kind]
            if len(found) >= count:
                return
