"""Real processes, real kills: the log heals, and says the truth."""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

import agentfx as fx
from agentfx import harness
from agentfx.harness import Session
from tests.harness import agents
from tests.harness.faults import faults, settled, strike, when

pytestmark = [pytest.mark.slow, pytest.mark.faults]
POINTS = ("user_message", "model_call", "assistant", "tool_started", "tool_result")


@pytest.mark.timeout(240)
async def test_kills_at_every_append_point(own_home: str, tmp_path: Path) -> None:
    """After each kind of event, worker and engine in turn; one cluster for all of it."""
    async with fx.local(workers=2, home=own_home) as cluster:
        for target in ("w1", "w2", "engine"):
            for point in POINTS:
                name = f"{target}-{point}"
                path = tmp_path / name
                await cluster.joined(["w1", "w2"])
                session = await harness.open(name, agents.noter, backend=cluster)
                striking = asyncio.ensure_future(when(session, point))
                await session.send(f"{path} a b")
                await striking
                await strike(cluster, target)
                events = await settled(session)
                assert faults(events) == [], name
                assert session.answer == "a b", name
                lines = path.read_text().split("\n")[:-1]
                assert {line.split()[0] for line in lines} == {"a", "b"}
                assert len({line.split()[1] for line in lines}) == 2  # one key a call


@pytest.mark.timeout(180)
async def test_workers_that_are_stopped_at_every_append_point(
    own_home: str, tmp_path: Path
) -> None:
    """SIGSTOP for longer than a lease, at all points at once; then they wake up, too late."""
    async with fx.local(workers=len(POINTS) + 2, home=own_home) as cluster:
        stopped: set[int] = set()
        sessions = {
            point: await harness.open(point, agents.noter, backend=cluster) for point in POINTS
        }
        try:
            await asyncio.gather(
                *(_stop_at(p, s, cluster, stopped, tmp_path) for p, s in sessions.items())
            )
            for point, session in sessions.items():
                assert faults(await settled(session)) == [], point
                assert session.answer == "a b", point
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert len(stopped) == len(POINTS)
        for point, session in sessions.items():  # what the late ones wrote was refused
            await session.send(f"{tmp_path / point} c")
            assert faults(await settled(session)) == [], point
            words = [line.split()[0] for line in (tmp_path / point).read_text().splitlines()]
            assert set(words) == {"a", "b", "c"}


async def _stop_at(
    point: str, session: Session, cluster: fx.Cluster, stopped: set[int], folder: Path
) -> None:
    """Stop whoever wrote the event; another worker, if that one is stopped already."""
    striking = asyncio.ensure_future(when(session, point))
    await session.send(f"{folder / point} a b")
    writer = (await striking).writer
    rows = sorted(await cluster.workers(), key=lambda row: row["label"] != writer)
    pid = next(int(row["pid"]) for row in rows if int(row["pid"]) not in stopped)
    stopped.add(pid)
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.timeout(120)
async def test_an_engine_that_is_stopped_at_every_append_point(
    own_home: str, tmp_path: Path
) -> None:
    """Store, dispatch and queue stand still in the middle of it, and go on."""
    async with fx.local(workers=2, home=own_home) as cluster:
        engine = int((await cluster.status())["engine"])
        for point in POINTS:
            session = await harness.open(f"still-{point}", agents.noter, backend=cluster)
            striking = asyncio.ensure_future(when(session, point))
            await session.send(f"{tmp_path / point} a b")
            await striking
            os.kill(engine, signal.SIGSTOP)
            try:
                await asyncio.sleep(0.3)  # that long nothing answers
            finally:
                os.kill(engine, signal.SIGCONT)
            assert faults(await settled(session)) == [], point
            assert session.answer == "a b", point
            assert len((tmp_path / point).read_text().splitlines()) == 2  # nothing ran twice


@pytest.mark.timeout(120)
async def test_9_an_action_whose_worker_is_killed_is_told_truthfully(
    own_home: str, tmp_path: Path
) -> None:
    path = tmp_path / "paid"
    async with fx.local(workers=2, home=own_home) as cluster:
        session = await harness.open("pay", agents.payer, backend=cluster)
        await session.send(str(path))
        started = await when(session, "tool_started")
        async with asyncio.timeout(20):
            while not path.exists():  # noqa: ASYNC110 - the effect has no event
                await asyncio.sleep(0.01)
        await strike(cluster, started.writer)
        events = await settled(session)
    assert path.read_text() == "paid\n"  # and not twice
    assert faults(events) == []
    assert "may have completed" in session.answer


@pytest.mark.timeout(120)
async def test_30_a_stopped_worker_comes_back_too_late(own_home: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    async with fx.local(workers=2, home=own_home) as cluster:
        session = await harness.open("stopped", agents.noter, backend=cluster)
        calling = asyncio.ensure_future(when(session, "model_call"))
        await session.send(f"{path} a b c")
        call = await calling
        pid = await strike(cluster, call.writer, signal.SIGSTOP)
        assert pid is not None
        try:
            events = await settled(session)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert faults(events) == []
        await session.send(f"{path} d")
        events = await settled(session)
    assert faults(events) == []
    assert [e.body["calls"] for e in events if e.kind == "assistant"].count([]) == 2
    words = [line.split()[0] for line in path.read_text().splitlines()]
    assert sorted(set(words)) == ["a", "b", "c", "d"]


@pytest.mark.timeout(180)
async def test_random_kills(own_home: str, tmp_path: Path) -> None:
    """A short run of what `make chaos` does for long."""
    chance = random.Random(11)  # noqa: S311
    async with fx.local(workers=2, home=own_home) as cluster:
        sessions = [await harness.open(f"s{n}", agents.noter, backend=cluster) for n in range(4)]
        for round_ in range(4):
            for number, session in enumerate(sessions):
                await session.send(f"{tmp_path / f's{number}'} a{round_} b{round_}")
            await asyncio.sleep(chance.random() * 0.1)  # any moment will do
            await strike(cluster, chance.choice(["w1", "w2", "engine"]))
        for session in sessions:
            assert faults(await settled(session)) == []
