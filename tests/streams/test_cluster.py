"""Streams on a real cluster: preempted, killed, paused, and raced against each other."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.jobs import fence_scope
from agentfx.streams import read_line
from tests.faults.jobs import trace, traced
from tests.streams.drivers import (
    RACES,
    answering,
    arriving,
    fussy,
    go,
    newer,
    post,
    summing,
    think,
    waiting,
)
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def driver(
    name: str, home: Path, log: Path
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A driver in a process of its own."""
    # Not as `__main__`: its tasks are those of the module that tests import.
    code = "import asyncio, sys; from tests.streams.drivers import drive; "
    command = ["-c", code + "asyncio.run(drive(*sys.argv[1:]))", name, str(home), str(log)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def lines(run: fx.Run[object, object]) -> list[str]:
    """What a run has on record of its fences, in order."""
    events = [event async for event in run.events()]
    return [e.label for e in events if e.type == "step_done" and e.label and read_line(e.label)]


async def seen(log: Path, *entries: str) -> None:
    await eventually(lambda: set(entries) <= set(traced(log)), seconds=60)


async def test_a_task_that_is_overtaken_is_cancelled_at_once(
    cluster: fx.Cluster, tmp_path: Path
) -> None:
    """Case A: the body can be cancelled, and cleans up."""
    log = tmp_path / "log"
    run = await fx.start(answering(str(log)), backend=cluster)
    for n in (0, 1):
        trace(str(log), f"input {n}")
        await seen(log, f"think {n}")
    trace(str(log), "input 2")
    await seen(log, "post 2 in epoch 3")
    trace(str(log), "input 3")
    # Whether the value of 2 is there before 3 comes is a matter of time; both were posted.
    assert await run.result() in (fx.Ok(["posted 2", "posted 3"]), fx.Ok(["posted 3"]))
    await seen(log, "cleaned up 0", "cleaned up 1")
    entries = traced(log)
    assert [e for e in entries if e.startswith("post")] == [
        "post 2 in epoch 3",
        "post 3 in epoch 4",
    ]
    assert {"left 0", "left 1", "left 2", "left 3"} <= set(entries)
    assert "thought 0" not in entries
    found = await lines(run)
    assert [line for line in found if line.startswith("epoch")] == [
        f"epoch {n}" for n in range(1, 5)
    ]
    assert found.count("preempted: stopped, and cleaned up") >= 2


async def test_what_cannot_be_cancelled_ends_and_is_fenced_out(
    cluster: fx.Cluster, tmp_path: Path
) -> None:
    """Case B: a call is under way, and nobody can stop it."""
    log = tmp_path / "log"

    def body(n: int, fence: fx.Fence) -> fx.Effect[str, Any]:
        call = waiting(str(log), f"answer {n}")
        return call.flat_map(lambda _: fence.guard(post(str(log), n, fence.epoch)))

    run = await fx.start(arriving(str(log), 2).switch_map(body).to_list(), backend=cluster)
    trace(str(log), "input 0")
    trace(str(log), "input 1")
    await seen(log, "not stopped")
    trace(str(log), "answer 0")  # too late
    trace(str(log), "answer 1")
    assert await run.result() == fx.Ok(["posted 1"])
    assert [e for e in traced(log) if e.startswith("post")] == ["post 1 in epoch 2"]
    found = await lines(run)
    assert "fence refused, epoch 1: newer" in found
    assert "preempted: could not be stopped, ended all the same" in found


@pytest.mark.parametrize(("name", "build"), [("answering", answering), ("summing", summing)])
async def test_a_stream_goes_on_after_its_driver_was_killed(
    cluster: fx.Cluster,
    shared_home: Path,
    tmp_path: Path,
    name: str,
    build: Callable[[str], fx.Effect[list[Any], Any]],
) -> None:
    log = tmp_path / "log"
    async with driver(name, shared_home, log) as process:
        for n in (0, 1, 2):
            trace(str(log), f"input {n}")
            await seen(log, f"think {n}")
        await seen(log, "post 2 in epoch 3" if name == "answering" else "thought 2")
        process.kill()
    for n in (3, 4, 5):
        trace(str(log), f"input {n}")
    exit_ = await fx.run_dist(build(str(log)), backend=cluster, run_id=name)
    entries = traced(log)
    assert len(entries) == len(set(entries))  # nothing ran twice
    scopes = await cluster.call_remote("state::list_groups", "{}", 5.0)
    assert fence_scope(name) not in scopes
    if name == "answering":  # whether 2 was still posting when 3 came is a matter of time
        assert exit_ in (fx.Ok(["posted 2", "posted 3"]), fx.Ok(["posted 3"]))
    else:
        assert sorted(exit_.unwrap()) == list(range(6))


async def test_a_killed_engine_remembers_its_fences(own_home: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with fx.local(workers=1, home=own_home) as cluster:
        run = await fx.start(answering(str(log)), backend=cluster)
        for n in (0, 1):
            trace(str(log), f"input {n}")
            await seen(log, f"think {n}")
            await cluster.kill_engine()
        trace(str(log), "input 2")
        await seen(log, "thought 2")
        trace(str(log), "input 3")
        exit_ = await run.result()
    posts = [entry for entry in traced(log) if entry.startswith("post")]
    assert len(posts) == len(set(posts)) <= 2
    assert exit_.unwrap()[-1] == "posted 3"
    # An epoch may be skipped, if the answer to its update was lost; none comes twice.
    assert [int(post.split()[-1]) for post in posts] == sorted({int(p.split()[-1]) for p in posts})


async def overtaken(name: str, cluster: fx.Cluster, home: Path, log: Path) -> list[str]:
    """A driver that is paused in all its races; newer inputs come; it wakes up, and ends."""
    async with driver(name, home, log) as paused:
        await eventually(lambda: "all wait" in traced(log), seconds=150)
        os.kill(paused.pid, signal.SIGSTOP)
        exit_ = await fx.run_dist(newer(str(log), name), backend=cluster)
        assert exit_ == fx.Ok([fx.Ok([f"{n} 2"]) for n in range(RACES[name])])
        go(log).touch()
        os.kill(paused.pid, signal.SIGCONT)
        assert await paused.wait() == 0
    return traced(log)


async def test_a_driver_paused_before_its_claims_is_refused(
    cluster: fx.Cluster, shared_home: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    entries = await overtaken("before", cluster, shared_home, log)
    assert not [entry for entry in entries if entry.startswith("old")]
    ended = next(entry for entry in entries if entry.startswith("ended"))
    assert ended.count("Superseded(epoch=1, reason='newer')") == RACES["before"]
    assert accepted(entries) == [(n, 2) for n in range(RACES["before"])]


async def test_a_driver_paused_after_its_claims_shows_tokens_that_tell(
    cluster: fx.Cluster, shared_home: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    entries = await overtaken("after", cluster, shared_home, log)
    sent = Counter(entry for entry in entries if entry.split()[0].isdigit())
    assert sent == Counter(f"{n} {epoch}" for n in range(RACES["after"]) for epoch in (1, 2))
    assert accepted(entries) == [(n, 2) for n in range(RACES["after"])]


def accepted(entries: list[str]) -> list[tuple[int, int]]:
    """What a far side lets in that refuses a token lower than one it has seen."""
    highest: dict[int, int] = {}
    let_in: list[tuple[int, int]] = []
    for entry in entries:
        race, _, token = entry.partition(" ")
        if race.isdigit() and int(token) >= highest.get(int(race), 0):
            highest[int(race)] = int(token)
            let_in.append((int(race), int(token)))
    return sorted(let_in)


async def test_the_example_of_the_documentation(cluster: fx.Cluster, tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    stream = fx.Stream.of(1, 2, 3).switch_map(
        lambda x, fence: think(log, x, 0.0).flat_map(
            lambda t: fence.guard(post(log, t, fence.epoch))
        )
    )
    assert await fx.run_memory(stream.to_list()) == fx.Ok(["posted 3"])
    assert await fx.run_dist(stream.to_list(), backend=cluster) == fx.Ok(["posted 3"])


def one_by_one(log: str) -> AnyEffect:
    return fx.Stream.of(1, 2, 3).concat_map(lambda n: fussy(log, n)).to_list()


def side_by_side(log: str) -> AnyEffect:
    return fx.Stream.of(1, 2, 3).merge_map(lambda n: fussy(log, n), 1).to_list()


def guarded(log: str) -> AnyEffect:
    return fx.Stream.of(2).switch_map(lambda n, fence: fence.guard(fussy(log, n))).to_list()


@pytest.mark.parametrize("build", [one_by_one, side_by_side, guarded])
async def test_a_failed_step_is_mended_redriven_and_gone_on_with(
    cluster: fx.Cluster, tmp_path: Path, build: Callable[[str], AnyEffect]
) -> None:
    log = tmp_path / "log"
    program, run_id = build(str(log)), f"redriven-{build.__name__}"
    failed = await fx.run_dist(program, backend=cluster, run_id=run_id)
    assert isinstance(failed, fx.Err)
    assert failed.error.reason == "crashed"
    letters = await cluster.request("dead::list", {})
    (job,) = [letter["id"] for letter in letters if letter["run"] == run_id]
    trace(str(log), "mended")
    assert (await cluster.request("dead::redrive", {"job": job}))["reopened"]
    exit_ = await fx.run_dist(program, backend=cluster, run_id=run_id)
    items = [2] if build is guarded else [1, 2, 3]
    assert exit_ == fx.Ok(items)
    once = Counter(["mended", *(f"work {n}" for n in items)])
    assert Counter(traced(log)) == once + Counter(["work 2"]), "what was done is not done again"
