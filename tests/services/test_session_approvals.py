"""What waits for somebody, and what happens when nobody comes."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.services.sessions_kit import Sessions, sessions


@pytest.fixture
async def at(tmp_path: Path) -> AsyncGenerator[Sessions]:
    async with sessions(tmp_path) as found:
        await found.open()
        yield found


async def test_42_a_held_call_waits_through_a_restart_and_then_runs_what_was_approved(
    tmp_path: Path,
) -> None:
    async with sessions(tmp_path) as at:
        await at.open()
        await at.say()
        wake = at.wake()
        await at.turn(wake, {"call": "1.0", "held": True, "limit_seconds": 60.0})
        await at.jobs.end(wake)
        assert at.jobs.jobs == {}
        clock = at.clock
    async with sessions(tmp_path, clock) as at:
        edited = '{"b":2}'
        answer = await at(
            "decide", call="1.0", approve=True, writer="ada", input=edited, edited=True,
            arguments={"b": 2},
        )  # fmt: skip
        assert answer == {"decided": True, "state": "queued"}
        (job,) = at.jobs.waiting("call")
        assert job.input == edited
        event = (await at.log())[-1]
        assert event["kind"] == "approved"
        assert event["body"]["arguments"] == {"b": 2}


async def test_42_without_a_decision_there_is_a_result_in_the_end(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake, {"call": "1.0", "held": True, "limit_seconds": 60.0})
    await at.jobs.end(wake)
    at.clock.advance(61)
    await at.service.sweep()
    last = (await at.log())[-1]["body"]
    assert last["content"] == "No approval came in time. This call did not start: nothing was done."
    assert at.wake()


async def test_44_a_second_decision_does_nothing_and_says_so(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake, {"call": "1.0", "held": True})
    await at.jobs.end(wake)
    rejected = await at("decide", call="1.0", approve=False, writer="c", reason="Too dear.")
    assert rejected == {"decided": True, "state": "closed"}
    assert (await at.log())[-1]["body"]["content"].endswith("Too dear.")
    length = len(await at.log())
    assert not (await at("decide", call="1.0", approve=True, writer="c"))["decided"]
    assert len(await at.log()) == length
    assert await at.refused("decide", call="9.9", approve=True, writer="c") == "unknown_call"


async def test_49_a_call_that_nobody_can_run_has_a_result_after_its_limit(at: Sessions) -> None:
    await at.say()
    wake = at.wake()
    await at.turn(wake, {"call": "1.0", "limit_seconds": 10.0})
    await at.jobs.end(wake)
    (job,) = at.jobs.waiting("call")
    at.clock.advance(11)
    await at.service.sweep()
    assert "did not start" in (await at.log())[-1]["body"]["content"]
    assert job.id in at.jobs.dropped
