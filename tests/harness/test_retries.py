"""Steps against the Messages API of the tests: one retry owner, usage that adds up, money."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from agentfx.harness import Agent, ClaudeModel, Prices, Retry
from agentfx.harness._event import event_of
from agentfx.harness._log import StepLog
from agentfx.harness._step import Step
from agentfx.interpreters import ServiceError
from agentfx.services._host import FunctionError
from tests.harness import agents
from tests.harness.api import Api, Plan, serving, stream
from tests.harness.faults import faults
from tests.services.sessions_kit import Sessions, sessions

OVERLOADED = Plan(status=529, error={"type": "overloaded_error", "message": "busy"})
DONE = Plan(stream({"type": "text", "text": "done"}))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-0123456789abcdef")


class Played:
    """A session, its services, and a worker that makes its steps, in one process."""

    def __init__(self, at: Sessions, agent: Agent, api: Api) -> None:
        self.at, self.agent, self.api = at, agent, api

    async def ask(self, name: str, data: Any) -> Any:
        try:
            return await self.at.jobs.host.call(name, data)
        except FunctionError as error:
            raise ServiceError(error.code, error.message) from None

    async def open(self, **more: Any) -> None:
        event = {"kind": "session_started", "body": self.agent.body(), "key": "start"}
        event = orjson.loads(orjson.dumps(event))
        await self.at(
            "open", agent=self.agent.id, writer="client", events=[event],
            policy=self.agent.policy, budget=self.agent.budget, **more,
        )  # fmt: skip

    def step(self, nonce: str = "n") -> Step:
        job = next(j for _, j in self.at.jobs.jobs.values() if j.path.startswith("wake"))
        asked = orjson.loads(job.input)
        log = StepLog(
            self.ask, self.at.clock, worker="w1", session="s", wake=asked["wake"],
            epoch=asked["epoch"], delivery=1, nonce=f"{nonce}{job.path}",
        )  # fmt: skip
        return Step(self.agent.model, log, self.at.clock)

    async def one(self) -> str:
        """Make the step that waits."""
        wake = self.at.wake()
        found = await self.step().run()
        await self.at.jobs.end(wake)
        return found

    async def rest(self) -> list[Any]:
        """Make steps and run tools until nothing waits; time passes as it must."""
        for _ in range(50):
            if self.at.jobs.waiting("wake"):
                await self.one()
            elif self.at.jobs.waiting("call"):
                job = self.at.jobs.waiting("call")[0]
                await self.at.jobs.start(job.id)
                await self.at.jobs.end(job.id, {"ok": "42"})
            elif (await self.at("get"))["busy"]:
                self.at.clock.advance(1)
                await self.at.service.sweep()
            else:
                return await self.at.log()
        raise AssertionError("it does not come to rest")


@asynccontextmanager
async def played(
    path: Path, monkeypatch: pytest.MonkeyPatch, *plans: Plan, agent: Agent = agents.claude
) -> AsyncGenerator[Played]:
    async with sessions(path) as at, serving(*plans) as api:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        made = Played(at, agent, api)
        await made.open()
        yield made


def kinds(log: list[Any]) -> list[str]:
    return [event["kind"] for event in log]


def sound(log: list[Any]) -> None:
    assert faults([event_of(row) for row in log]) == []


async def test_a_whole_turn_with_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    calls = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": "tests__add", "input": {"a": n, "b": 1}}
        for n in (1, 2)
    ]
    plans = (Plan(stream(thinking, *calls, stop="tool_use")), DONE)
    async with played(tmp_path, monkeypatch, *plans) as it:
        await it.at.say("add")
        log = await it.rest()
        second = it.api.requests[1]["messages"]
    sound(log)
    assert second[1]["content"] == [thinking, *calls]
    assert [b["tool_use_id"] for b in second[2]["content"]] == ["toolu_1", "toolu_2"]


async def test_news_of_another_stores_session_are_not_taken_for_this_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(DONE, DONE) as api:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        for words in (["hi"], ["so", "on", "again"]):  # the worker keeps the first transcript
            path = tmp_path / words[0]
            path.mkdir()
            async with sessions(path) as at:
                it = Played(at, agents.claude, api)
                await it.open()
                for word in words:
                    await at.say(word)
                log = await at.log()
                news = {"after": 0, "after_hash": "", "head": log[-1]["seq"], "events": log}
                assert await it.step().run(news) == "turn"
            (message,) = api.requests[-1]["messages"]
            assert [block["text"] for block in message["content"]] == words


async def test_32_and_36_failures_are_tried_as_often_as_the_harness_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Plan(stream({"type": "text", "text": "half"})[:4], cut=True)
    async with played(tmp_path, monkeypatch, OVERLOADED, broken, DONE) as it:
        await it.at.say("hi")
        log = await it.rest()
        assert it.api.attempts == 3
    sound(log)
    assert kinds(log).count("model_error") == 2
    assert kinds(log).count("assistant") == 1


async def test_32_after_the_last_try_there_is_an_event_and_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with played(tmp_path, monkeypatch, *[OVERLOADED] * 3, DONE) as it:
        await it.at.say("hi")
        log = await it.rest()
        assert it.api.attempts == 3
        last = next(event for event in reversed(log) if event["kind"] == "model_error")
        assert last["body"]["retry_in"] is None
        assert last["reacting_to"] == 2
        await it.at.say("again")
        assert "assistant" in kinds(await it.rest())


async def test_33_the_next_attempt_waits_as_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"type": "rate_limit_error", "message": "slow"}
    limited = Plan(status=429, error=error, headers={"retry-after": "30"})
    async with played(tmp_path, monkeypatch, limited, DONE) as it:
        await it.at.say("hi")
        await it.one()
        it.at.clock.advance(29)
        await it.at.service.sweep()
        assert it.at.jobs.jobs == {}
        it.at.clock.advance(1.5)
        await it.at.service.sweep()
        assert kinds(await it.rest())[-2:] == ["assistant", "usage"]
        assert it.api.attempts == 2


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "invalid_request_error"), (401, "authentication_error"), (413, "request_too_large")],
)
async def test_34_what_would_fail_again_is_asked_once(
    status: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Plan(status=status, error={"type": name, "message": "no"})
    async with played(tmp_path, monkeypatch, refused) as it:
        await it.at.say("hi")
        log = await it.rest()
        assert it.api.attempts == 1
    assert log[-2]["body"]["class"] in ("invalid_request", "auth", "too_large")


async def test_39_usage_adds_up_to_what_was_billed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = Plan(stream({"type": "text", "text": "half"})[:4], cut=True)
    async with played(tmp_path, monkeypatch, half, DONE) as it:
        await it.at.say("hi")
        log = await it.rest()
    usage = [event["body"] for event in log if event["kind"] == "usage"]
    assert [(u["input"], u["output"], u["used"]) for u in usage] == [(11, 1, False), (11, 7, True)]
    assert sum(u["cost"] for u in usage) == pytest.approx((22 * 1.0 + 8 * 5.0) / 1e6)


async def test_28_a_call_that_is_overtaken_is_booked_and_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    slow = Plan(stream({"type": "text", "text": "to the first"}), gate=gate)
    async with played(tmp_path, monkeypatch, slow, DONE, agent=HASTY) as it:
        await it.at.say("one")
        step = it.step()
        running = asyncio.ensure_future(step.run())
        await it.api.arrived.wait()
        await it.at.say("two")
        gate.set()  # it was not aborted: a worker that was paused, say
        assert await running == "overtaken"
        log = await it.rest()
    sound(log)
    answers = [e["body"]["content"][0]["text"] for e in log if e["kind"] == "assistant"]
    assert answers == ["done"]
    unused = [e["body"]["why"] for e in log if e["kind"] == "usage" and not e["body"]["used"]]
    assert unused == ["overtaken"]


async def test_38_a_call_beyond_the_budget_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with played(tmp_path, monkeypatch, agent=POOR) as it:
        await it.at.say("hi")
        log = await it.rest()
        assert it.api.attempts == 0
    assert log[-1]["kind"] == "limit_reached"
    assert log[-1]["body"]["limit"].startswith("cost: ")


async def test_24_copies_of_a_step_make_one_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with played(tmp_path, monkeypatch, *[DONE] * 4) as it:
        await it.at.say("hi")
        steps = [it.step(f"copy{n}") for n in range(4)]
        found = await asyncio.gather(*(step.run() for step in steps))
        assert sorted(found) == ["overtaken", "overtaken", "overtaken", "turn"]
        log = await it.at.log()
    sound(log)
    assert kinds(log).count("assistant") == 1


def test_a_budget_needs_prices() -> None:
    with pytest.raises(ValueError, match="has no prices"):
        Agent("no_prices", model=ClaudeModel("x"), budget=1.0)


HASTY = Agent("hasty", model=ClaudeModel("claude-test"), policy="preempt", retry=Retry(attempts=1))
POOR = Agent("poor", model=ClaudeModel("claude-test", prices=Prices(5.0, 25.0)), budget=0.001)
