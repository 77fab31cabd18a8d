"""The durable agent without its model: what a turn costs, how soon the next step is made."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence

import agentfx as fx
from agentfx import harness
from agentfx.harness import Block, LogEvent, Request, Session, StubModel, results_of, text, tool_use
from bench.figures import Figure, Floor, percentile
from bench.floors import sqlite_commit_ms

TURNS = 300
LONG = 10_000
SESSIONS = 50
THINK_SECONDS = 60.0
TURN_COMMITS = 3
"""The message, what is about to be sent, and the answer: each is durable before the next."""


@fx.task("bench::wait")
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


def hello(request: Request) -> Sequence[Block]:
    """Answer at once."""
    return [text("hello")]


def waits(request: Request) -> Sequence[Block]:
    """Call the tool, then say so."""
    if results_of(request):
        return [text("done")]
    return [tool_use("bench__wait", seconds=0.5)]


quick = harness.Agent("bench_quick", model=StubModel(hello))
tooled = harness.Agent("bench_tooled", model=StubModel(waits), tools=[wait])
slow = harness.Agent("bench_slow", model=StubModel(hello, seconds=THINK_SECONDS), policy="preempt")


def figures() -> list[Figure]:
    """All figures."""
    with tempfile.TemporaryDirectory(prefix="agentfx-bench-") as home:
        return asyncio.run(_figures(home))


async def _figures(home: str) -> list[Figure]:
    async with fx.local(workers=2, home=home, slots=16) as cluster:
        found = [*await _turns(cluster), *await _long_log(cluster)]
        found.append(await _overtaken(cluster))
        found.append(await _many(cluster))
        found.append(await _after_kill(cluster))
    return found


async def _turns(cluster: fx.Cluster) -> list[Figure]:
    """From the message on record to the answer on record, by the log's own times."""
    session = await harness.open("turns", quick, backend=cluster)
    times = await _asked(session, TURNS)
    floor = Floor(f"{TURN_COMMITS} commits", sqlite_commit_ms() * TURN_COMMITS)
    return [
        Figure("turn without the model, p50", percentile(times, 50), "ms", floor, 3.0),
        Figure("turn without the model, p99", percentile(times, 99), "ms", floor, 10.0),
    ]


async def _asked(session: Session, count: int) -> list[float]:
    for _ in range(20):
        await session.ask("warm up")
    start = len(session.events)
    for _ in range(count):
        await session.ask("hello")
    return turn_times(session.events[start:])


def turn_times(events: Sequence[LogEvent]) -> list[float]:
    """Milliseconds from each message to the answer that follows it."""
    times: list[float] = []
    began = 0.0
    for event in events:
        if event.kind == "user_message":
            began = event.at
        elif event.kind == "assistant":
            times.append((event.at - began) * 1000)
    return times


async def _long_log(cluster: fx.Cluster) -> list[Figure]:
    """The same with 10,000 events before it, and how much dearer that is."""
    short = await harness.open("short", quick, backend=cluster)
    base = percentile(await _asked(short, 100), 50)
    long = await harness.open("long", quick, backend=cluster)
    events = [
        {"kind": "user_message", "body": {"content": f"fact {n}"}, "key": f"f{n}"}
        for n in range(LONG)
    ]
    for first in range(0, LONG, 500):
        message = {"session": "long", "writer": "bench", "events": events[first : first + 500]}
        await cluster.request("session::send", message)
    cost = percentile(await _asked(long, 100), 50)
    return [
        Figure(
            "turn on a log of 10,000 events", cost, "ms", Floor("on a short log", base), 1.5,
            aim_of="ratio",
        )
    ]  # fmt: skip


async def _overtaken(cluster: fx.Cluster) -> Figure:
    """From the message that overtakes to its model call, while the old one is under way."""
    session = await harness.open("overtaken", slow, backend=cluster)
    for _ in range(20):
        await session.send("hello")
        await _seen(session, "model_call")
    await session.cancel()
    events = await session.refresh()
    times: list[float] = []
    began = 0.0
    for event in events:
        if event.kind == "user_message":
            began = event.at
        elif event.kind == "model_call":
            times.append((event.at - began) * 1000)
    return Figure("new epoch's first step", percentile(times[1:], 99), "ms", None, 100.0)


async def _seen(session: Session, kind: str) -> None:
    last = session.events[-1].seq if session.events else 0
    async for news in session.watch(last):
        if any(event.kind == kind for event in news.events):
            await session.refresh()
            return


async def _many(cluster: fx.Cluster) -> Figure:
    """Turns a second of 50 sessions at once, on two workers."""
    sessions = [await harness.open(f"many{n}", quick, backend=cluster) for n in range(SESSIONS)]
    clock = asyncio.get_running_loop().time
    begun = clock()
    rounds = 10
    for _ in range(rounds):
        await asyncio.gather(*(session.ask("hello") for session in sessions))
    rate = SESSIONS * rounds / (clock() - begun)
    floor = Floor("commits alone", 1000 / (sqlite_commit_ms() * TURN_COMMITS))
    return Figure("50 sessions at once", rate, "turns/s", floor, None, more_is_better=True)


async def _after_kill(cluster: fx.Cluster) -> Figure:
    """From kill -9 of the worker of a running tool to the tool's next start."""
    times: list[float] = []
    for number in range(5):
        await cluster.joined(["w1", "w2"])
        session = await harness.open(f"killed{number}", tooled, backend=cluster)
        await session.send("go")
        await _seen(session, "tool_started")
        started = next(e for e in session.events if e.kind == "tool_started")
        pids = {row["label"]: row["pid"] for row in await cluster.workers()}
        clock = asyncio.get_running_loop().time
        begun = clock()
        os.kill(int(pids[started.writer]), signal.SIGKILL)
        await _seen(session, "tool_started")
        times.append((clock() - begun) * 1000)
        await session.idle()
    return Figure("next start after kill -9", max(times), "ms", None, 1000.0)
