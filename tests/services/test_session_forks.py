"""Branches: the same first events, no effect repeated, the parent untouched."""

from pathlib import Path
from typing import Any

import pytest

from tests.services.sessions_kit import Sessions, sessions

OK: dict[str, Any] = {"ok": "42"}


async def _history(at: Sessions) -> list[Any]:
    """Two turns: one with a call that has ended, one with a call that runs and one that waits."""
    await at.open()
    await at.say("first")
    wake = at.wake()
    await at.turn(wake, {"call": "1.0"})
    await at.jobs.end(wake)
    (job,) = at.jobs.waiting("call")
    await at.jobs.start(job.id)
    await at.jobs.end(job.id, OK)
    wake = at.wake()
    await at.turn(wake, {"call": "2.0"}, {"call": "2.1"})
    await at.jobs.end(wake)
    await at.jobs.start(at.jobs.waiting("call")[0].id)
    return await at.log()


@pytest.mark.slow
async def test_45_a_branch_at_every_event(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        parent = await _history(at)
        open_before = set(at.jobs.jobs)
        for number in range(1, len(parent) + 1):
            branch = f"b{number}"
            await at("fork", branch=branch, at=number, writer="ada")
            log = await at.log(branch)
            assert log[:number] == parent[:number]
            assert log[number]["kind"] == "forked"
            _every_call_has_one_result(log)
            for job in at.jobs.waiting("call"):  # no effect is repeated
                assert job.id in open_before
        assert await at.log() == parent


def _every_call_has_one_result(log: list[Any]) -> None:
    calls = [c["call"] for e in log if e["kind"] == "assistant" for c in e["body"]["calls"]]
    results = [e["body"]["call"] for e in log if e["kind"] == "tool_result"]
    assert sorted(results) == sorted(calls)


async def test_45_what_the_parent_does_later_stays_in_the_parent(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        parent = await _history(at)
        await at("fork", branch="b", at=len(parent), writer="ada")
        branch = await at.log("b")
        running, waiting = at.jobs.waiting("call")
        await at.jobs.end(running.id, OK)
        await at.jobs.end(waiting.id, OK)
        assert await at.log("b") == branch
        said = {e["body"]["call"]: e["body"]["content"] for e in branch[-2:]}
        assert "may have completed" in said["2.0"]
        assert "did not start" in said["2.1"]


async def test_a_branch_with_an_edit_has_the_event_changed_and_nothing_before(
    tmp_path: Path,
) -> None:
    async with sessions(tmp_path) as at:
        parent = await _history(at)
        edit = {"content": "something else"}
        await at("fork", branch="b", at=2, writer="ada", edit=edit)
        log = await at.log("b")
        assert log[0] == parent[0]
        assert (log[1]["body"], log[1]["writer"]) == (edit, "ada")
        assert log[1]["hash"] != parent[1]["hash"]
        assert at.jobs.waiting("wake")  # it goes on by itself: the message has no answer
        assert await at.log() == parent


async def test_a_branch_of_nothing_or_of_a_known_name_is_refused(tmp_path: Path) -> None:
    async with sessions(tmp_path) as at:
        await _history(at)
        refused = await at.refused("fork", branch="b", at=99, writer="ada")
        assert refused == "unknown_event"
        assert await at.refused("fork", branch="s", at=1, writer="ada") == "session_exists"
