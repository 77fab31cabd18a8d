"""What a session's log promises: numbers, fences, wakes, calls."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agentfx.services._host import FunctionError
from agentfx.services._session_rows import LogRow
from agentfx.services.sessions._log import EVENT_BYTES, INLINE_BYTES, chained
from tests.services.sessions_kit import STEP_END, Sessions, sessions
from tests.waiting import eventually

OK: dict[str, Any] = {"ok": "42"}


@pytest.fixture
async def at(tmp_path: Path) -> AsyncGenerator[Sessions]:
    async with sessions(tmp_path) as found:
        await found.open()
        yield found


def numbers(log: list[Any]) -> list[int]:
    return [event["seq"] for event in log]


async def test_1_numbers_have_no_gap_under_many_writers(at: Sessions) -> None:
    await asyncio.gather(*(at.say(f"{n}", key=f"k{n % 40}") for n in range(40) for _ in "ab"))
    log = await at.log()
    assert numbers(log) == list(range(1, 42))


async def test_2_a_large_body_is_a_reference_and_a_larger_one_is_refused(at: Sessions) -> None:
    await at.say("x" * INLINE_BYTES)
    body = (await at.log())[-1]["body"]
    text = await at("blob", hash=body["$blob"])
    assert len(text) == body["bytes"] > INLINE_BYTES
    event: Any = {"kind": "user_message", "body": {"content": "x" * EVENT_BYTES}}
    assert await at.refused("send", writer="c", events=[event]) == "too_large"
    assert await at.refused("blob", hash="nothing") == "unknown_blob"


async def test_2_the_hash_of_an_event_holds_all_before_it(at: Sessions) -> None:
    for n in range(5):
        await at.say(f"{n}")
    store = at.jobs.store
    rows = await store.read(lambda t: t.sessions.events(1, 0, 100, 1 << 30))
    previous = ""
    for row in rows:
        assert row.hash == chained(previous, row)
        previous = row.hash
    assert isinstance(rows[0], LogRow)


async def test_3_the_same_key_and_body_is_appended_once(at: Sessions) -> None:
    first = await at.say("hi", key="k")
    await at.say("other")
    again = await at.say("hi", key="k")
    assert again["seqs"] == first["seqs"] == [2]
    event: Any = {"kind": "user_message", "body": {"content": "no"}, "key": "k", "stimulus": True}
    assert await at.refused("send", writer="c", events=[event]) == "key_conflict"
    assert len(await at.log()) == 3


async def test_3_of_a_refused_append_nothing_is_written(at: Sessions) -> None:
    await at.say("hi", key="k")
    events = [
        {"kind": "user_message", "body": {"content": "new"}},
        {"kind": "user_message", "body": {"content": "no"}, "key": "k"},
    ]
    assert await at.refused("send", writer="c", events=events) == "key_conflict"
    assert len(await at.log()) == 2


async def test_4_a_turn_and_its_jobs_are_one_commit(at: Sessions) -> None:
    await at.say()
    await at.turn(at.wake(), {"call": "1.0"}, {"call": "1.1"})
    assert len(at.jobs.waiting("call")) == 2
    await at.say("more")  # while the wake job is open
    event: Any = {"kind": "assistant", "body": {}, "reacting_to": 99}
    refused = await at.refused(
        "append", writer="w", events=[event], calls=[{"call": "2.0", "task": "t", "input": "{}"}]
    )
    assert refused == "bad_reaction"
    assert len(at.jobs.waiting("call")) == 2
    rows = await at.jobs.store.read(lambda t: len(t.sessions.open_calls(1)))
    assert rows == 2


async def test_4_a_reaction_never_goes_back(at: Sessions) -> None:
    await at.say()
    await at.turn(at.wake())
    event: Any = {"kind": "assistant", "body": {}, "reacting_to": 1}
    assert await at.refused("append", writer="w", events=[event]) == "bad_reaction"


async def test_5_and_6_a_call_has_one_result_whatever_ends_it(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake, {"call": "1.0"})
    await at.jobs.end(wake)
    (job,) = at.jobs.waiting("call")
    await at.jobs.start(job.id)
    assert await at.jobs.end(job.id, OK)
    assert not await at.jobs.end(job.id, OK)
    results = [e for e in await at.log() if e["kind"] == "tool_result"]
    assert [(e["body"]["call"], e["body"]["content"]) for e in results] == [("1.0", "42")]


async def test_9_the_start_is_in_the_log_before_the_job_is_sent(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake, {"call": "1.0"}, {"call": "1.1"})
    await at.jobs.end(wake)
    first, _ = at.jobs.waiting("call")
    await at.jobs.start(first.id)
    assert (await at.kinds())[-1] == "tool_started"
    await at("cancel", writer="c")
    said = {
        e["body"]["call"]: e["body"]["content"]
        for e in await at.log()
        if e["kind"] == "tool_result"
    }
    assert "may have completed" in said["1.0"]
    assert "did not start" in said["1.1"]


@pytest.mark.slow
async def test_10_the_first_of_many_ends_wins(tmp_path: Path) -> None:
    """Result, crash, limit, cancel and rejection at once, 1,000 ends and more."""
    chance = random.Random(7)  # noqa: S311
    winners: set[str] = set()
    async with sessions(tmp_path) as at:
        for number in range(300):
            name = f"s{number}"
            await _with_a_call(at, name, held=chance.random() < 0.3)
            jobs = [job.id for job in at.jobs.waiting("call")]
            at.clock.advance(61)
            ends = [
                *(at.jobs.end(job, OK) for job in jobs),
                *(at.jobs.end(job, CRASHED) for job in jobs),
                at.service.sweep(),
                at("cancel", session=name, writer="c"),
                at("decide", session=name, call="1.0", approve=False, writer="c"),
            ]
            chance.shuffle(ends)
            await asyncio.gather(*(_later(at, end, chance.randrange(4)) for end in ends))
            log = await at.log(name)
            (result,) = [event["body"] for event in log if event["kind"] == "tool_result"]
            winners.add(result["by"])
            for job in at.jobs.waiting("wake"):
                await at.jobs.end(job.id, CRASHED)
    assert winners == {"tool", "limit", "services", "rejection"}  # each was first at times


async def _later(at: Sessions, end: Awaitable[object], reads: int) -> None:
    """Some ends ask before they write, such as the limit's: the others do so at times."""
    for _ in range(reads):
        await at("get", session="s0")
    await end


async def _with_a_call(at: Sessions, name: str, *, held: bool) -> None:
    await at.open(name)
    await at.say(session=name)
    wake = at.wake()
    call = {"call": "1.0", "task": "t::x", "input": "{}", "held": held, "limit_seconds": 60.0}
    event: Any = {"kind": "assistant", "body": {"content": [], "calls": []}, "reacting_to": 2}
    await at(
        "append", session=name, writer="w", events=[event], calls=[call], epoch=1, wake=wake,
        ends_wake=STEP_END,
    )  # fmt: skip
    await at.jobs.end(wake)
    assert "tool_result" not in await at.kinds(name)  # it is open


FAILED = '{"task": "t", "reason": "crashed", "message": "no"}'
CRASHED: dict[str, Any] = {"err": "agentfx:TaskError", "value": FAILED}


async def test_21_and_22_one_wake_for_what_is_new_and_none_for_nothing(at: Sessions) -> None:
    assert at.jobs.waiting("wake") == []
    await at.say()
    await at.say()
    wake = at.wake()  # one for both
    await at.turn(wake)
    await at.jobs.end(wake)
    for _ in range(120):
        at.clock.advance(5)
        await at.service.sweep()
    assert at.jobs.jobs == {}
    assert len(await at.log()) == 4


async def test_who_waits_for_the_end_looks_again_once_it_may_have_come(
    at: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at.say()
    await at("get")  # from here on it is listened to
    wake, read, looks = at.wake(), at.jobs.store.read, 0

    def counted(query: Any) -> Any:
        nonlocal looks
        looks += 1
        return read(query)

    monkeypatch.setattr(at.jobs.store, "read", counted)
    waiting = asyncio.ensure_future(at("get", wait_seconds=5.0, after=2))
    await eventually(lambda: looks == 1)
    event: Any = {"kind": "model_call", "body": {}}
    for _ in range(3):
        await at("append", writer="w1", events=[event], epoch=1, wake=wake)
    assert not waiting.done()
    event = {"kind": "assistant", "body": {}, "reacting_to": 2}
    await at("append", writer="w1", events=[event], epoch=1, wake=wake, ends_wake=STEP_END)
    found = await waiting
    assert not found["busy"]
    assert [event["seq"] for event in found["events"]] == [3, 4, 5, 6]
    assert looks == 2


async def test_a_message_may_wait_for_its_answer(at: Sessions) -> None:
    event: Any = {"kind": "user_message", "body": {"content": "hi"}, "stimulus": True, "key": "k"}
    message: Any = {"writer": "c", "events": [event], "wait_seconds": 5.0, "after": 1}
    asked = asyncio.ensure_future(at("send", **message))
    await eventually(lambda: at.jobs.waiting("wake"))
    assert not asked.done()
    await at.turn(at.wake())
    found = await asked
    assert (found["seqs"], found["busy"]) == ([2], False)
    assert [event["seq"] for event in found["events"]] == [2, 3]
    assert await at("send", **message) == found  # its client had lost the link


async def test_24_one_wake_makes_one_turn(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    answers = await asyncio.gather(
        *(_turn(at, wake, f"copy {n}") for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    assert (await at.kinds()).count("assistant") == 1


async def _turn(at: Sessions, wake: str, words: str) -> Any:
    event: Any = {"kind": "assistant", "body": {"content": words}, "reacting_to": 2}
    return await at("append", writer="w", events=[event], epoch=1, wake=wake, ends_wake=STEP_END)


async def test_24_a_wake_is_done_with_its_turn_whatever_its_worker_says_then(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake)
    assert at.jobs.jobs == {}
    assert not (await at("get"))["busy"]
    assert await at.jobs.store.read(lambda t: t.jobs.state_of(wake)) == "done"
    events = await at.jobs.store.read(lambda t: t.jobs.events(1, 0, 10))
    assert [event[3] for event in events].count("job_done") == 1
    assert not await at.jobs.end(wake, CRASHED)
    assert (await at.kinds())[-1] == "assistant"


async def test_24_a_turn_that_is_sent_again_ends_no_other_wake(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        await at.open()
        await at.say()
        wake = at.wake()
        first = await at.turn(wake)
        await at.say("more")
        other = at.wake()
        assert (await at.turn(wake))["seqs"] == first["seqs"]  # its worker never heard the answer
        assert at.wake() == other
    async with sessions(tmp_path) as at:
        assert (await at.turn(wake))["seqs"] == first["seqs"]
        assert (await at("get"))["wake"] == other


async def test_25_what_comes_during_a_step_starts_another(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.say("more")
    await _turn(at, wake, "to the first")
    await at.jobs.end(wake)
    assert at.wake() != wake


@pytest.mark.slow
async def test_27_a_lower_epoch_is_refused_in_a_thousand_races(tmp_path: Path) -> None:
    chance = random.Random(5)  # noqa: S311
    async with sessions(tmp_path) as at:
        await at.open(policy="preempt")
        for number in range(1000):
            await at.say(f"{number}")
            wake, epoch = at.wake(), (await at("get"))["epoch"]
            event: Any = {"kind": "assistant", "body": {}, "reacting_to": (await at("get"))["head"]}
            late = at(
                "append", writer="w", events=[event], epoch=epoch, wake=wake, ends_wake=STEP_END
            )
            both = [at.say("overtakes"), late]
            chance.shuffle(both)
            found = await asyncio.gather(*both, return_exceptions=True)
            refused = [error for error in found if isinstance(error, FunctionError)]
            assert {error.code for error in refused} <= {"fenced"}
            # Now for certain: by its epoch if it was overtaken, else by its wake, which is done.
            turn = {"events": [event], "epoch": epoch, "writer": "w"}
            ended = {} if refused else {"wake": wake}
            assert await at.refused("append", **turn, **ended) == "fenced"
            for job in at.jobs.waiting("wake"):
                await at.jobs.end(job.id, {"err": "agentfx:TaskError", "value": FAILED})
        log = await at.log()
        highest = 0
        for event in log:
            assert event["epoch"] >= highest
            highest = event["epoch"]
        # An answer always stands in the epoch of the message before it.
        messages = [e for e in log if e["kind"] in ("user_message", "assistant")]
        for before, after in pairwise(messages):
            if after["kind"] == "assistant":
                assert after["epoch"] == before["epoch"]


async def test_28_a_message_overtakes_a_turn_and_tools_that_run_may_report(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        await at.open(policy="preempt")
        await at.say()
        wake = at.wake()
        await at.turn(wake, {"call": "1.0"}, {"call": "1.1"})
        await at.jobs.end(wake)
        running, queued = at.jobs.waiting("call")
        await at.jobs.start(running.id)
        await at.say("no, wait")
        assert queued.id in at.jobs.dropped
        assert await at.jobs.end(running.id, OK)
        results = {
            e["body"]["call"]: e["body"]["content"]
            for e in await at.log()
            if e["kind"] == "tool_result"
        }
        assert results["1.0"] == "42"
        assert results["1.1"].endswith("nothing was done.")
        assert at.wake()


async def test_queue_policy_lets_the_turn_end(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.say("later")
    assert at.wake() == wake
    assert (await at("get"))["epoch"] == 1


@pytest.mark.parametrize(("results", "wakes"), [("all", 0), ("each", 1)])
async def test_results_wait_for_each_other_unless_each_is_wanted(
    results: str, wakes: int, tmp_path: Path
) -> None:
    async with sessions(tmp_path) as at:
        await at.open(results=results)
        await at.say()
        wake = at.wake()
        await at.turn(wake, {"call": "1.0"}, {"call": "1.1"})
        await at.jobs.end(wake)
        first, second = at.jobs.waiting("call")
        await at.jobs.end(first.id, OK)
        assert len(at.jobs.waiting("wake")) == wakes
        await at.jobs.end(second.id, OK)
        assert len(at.jobs.waiting("wake")) == 1


async def test_31_after_a_cancel_everything_has_ended(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake, {"call": "1.0"}, {"call": "1.1", "held": True})
    await at.jobs.end(wake)
    (job,) = at.jobs.waiting("call")
    answer = await at("cancel", writer="c", reason="enough")
    assert answer == {"cancelled": True, "closed": 2}
    assert at.jobs.jobs == {}
    assert not await at.jobs.end(job.id, OK)
    assert not (await at("get"))["busy"]
    assert await at("cancel", writer="c") == {"cancelled": False}
    await at.say("again")
    assert at.wake()


async def test_33_a_wait_outlives_the_services(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        await at.open()
        await at.say()
        wake = at.wake()
        event: Any = {"kind": "model_error", "body": {}, "key": "e"}
        await at(
            "append", writer="w", events=[event], epoch=1, wake=wake, ends_wake=STEP_END,
            due_in_seconds=30.0,
        )  # fmt: skip
        await at.jobs.end(wake)
        assert at.jobs.waiting("wake") == []
        at.clock.advance(10)
        clock = at.clock
    async with sessions(tmp_path, clock) as at:
        assert at.jobs.waiting("wake") == []
        clock.advance(19)
        await at.service.sweep()
        assert at.jobs.waiting("wake") == []
        clock.advance(1.1)
        await at.service.sweep()
        assert at.wake()


async def test_38_reserved_and_spent_stay_within_the_budget(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        for number in range(10):
            await at.open(f"s{number}", budget=1.0, purse="shared")
        answers = await asyncio.gather(
            *(_reserve(at, f"s{n}", 0.3) for n in range(10)), return_exceptions=True
        )
        taken = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert len(taken) == 3
        spent = (await at("get", session="s0"))["spent"]
        assert spent == {"booked": 0.0, "reserved": pytest.approx(0.9)}
        await at(
            "append", session="s0", writer="w", events=[], book={"attempt": "a", "amount": 0.1}
        )
        assert isinstance(await _reserve(at, "s1", 0.2, "b"), dict)


async def _reserve(at: Sessions, session: str, amount: float, attempt: str = "a") -> Any:
    cost = {"attempt": attempt, "amount": amount}
    return await at("append", session=session, writer="w", events=[], reserve=cost)


async def test_a_step_that_fails_ends_the_turn_in_an_event(at: Sessions) -> None:
    await at.say()
    await at.jobs.end(at.wake(), {"err": "agentfx:TaskError", "value": FAILED})
    last = (await at.log())[-1]
    assert (last["kind"], last["body"]["error"]) == ("step_failed", "crashed: no")
    assert at.jobs.jobs == {}


async def test_a_step_that_comes_to_nothing_is_not_made_for_ever(at: Sessions) -> None:
    await at.say()
    await at.jobs.end(at.wake())
    assert (await at.kinds())[-1] == "step_failed"
    assert at.jobs.jobs == {}


async def test_unknown_sessions_are_named(at: Sessions) -> None:
    assert await at.refused("get", session="nobody") == "unknown_session"
    assert await at.refused("read", session="nobody") == "unknown_session"
