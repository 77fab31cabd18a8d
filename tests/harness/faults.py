"""Kills at a point of a session's life, and what must hold of its log afterwards."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence

import agentfx as fx
from agentfx.harness import LogEvent, Session
from agentfx.harness._request import lines, marked
from agentfx.harness._transcript import transcript_of
from tests.faults.jobs import pid_of
from tests.harness.checker import check

SETTLE_SECONDS = 45.0


async def when(session: Session, kind: str, count: int = 1, after: int = 0) -> LogEvent:
    """Wait for the n-th event of a kind after a number."""
    found = 0
    async with asyncio.timeout(SETTLE_SECONDS):
        async for news in session.watch(after):
            for event in news.events:
                found += event.kind == kind
                if found >= count:
                    return event
    raise AssertionError("unreachable")


async def strike(cluster: fx.Cluster, target: str, number: int = signal.SIGKILL) -> int | None:
    """Send a signal to a worker, or kill the engine; the worker's pid."""
    if target == "engine":
        await cluster.kill_engine()
        return None
    while True:
        await cluster.joined([target])  # the last kill may be a moment ago
        pid = await pid_of(cluster, target)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # its process has ended, and the engine has not seen its link close yet
        return pid


async def settled(session: Session) -> list[LogEvent]:
    """The log, once nothing goes on any more."""
    async with asyncio.timeout(SETTLE_SECONDS):
        await session.idle()
    return session.events


def faults(events: Sequence[LogEvent]) -> list[str]:
    """What is wrong with a log at rest; nothing may be."""
    return [
        *_numbers(events), *_pairs(events), *_reactions(events), *_starts(events),
        *_requests(events),
    ]  # fmt: skip


def _numbers(events: Sequence[LogEvent]) -> list[str]:
    found = [event.seq for event in events]
    return [] if found == list(range(1, len(found) + 1)) else [f"numbers {found}"]


def _pairs(events: Sequence[LogEvent]) -> list[str]:
    calls = Counter(
        call["call"] for e in events if e.kind == "assistant" for call in e.body["calls"]
    )
    results = Counter(e.body["call"] for e in events if e.kind == "tool_result")
    wrong = [call for call, count in results.items() if count != 1 or call not in calls]
    return [f"open calls {sorted(calls - results)}"] * bool(calls - results) + [
        f"results of {call}: {results[call]}" for call in wrong
    ]


def _reactions(events: Sequence[LogEvent]) -> list[str]:
    reacted = [e.reacting_to for e in events if e.reacting_to is not None]
    stimulus = max((e.seq for e in events if e.stimulus), default=0)
    wrong = [] if reacted == sorted(reacted) else [f"reactions fall: {reacted}"]
    last = reacted[-1] if reacted else 0
    return wrong + ([f"nothing reacts to {stimulus}"] if last < stimulus else [])


def _starts(events: Sequence[LogEvent]) -> list[str]:
    """No tool runs before its turn is on record, or without its start on record."""
    asked: set[str] = set()
    started: set[str] = set()
    wrong: list[str] = []
    for event in events:
        if event.kind == "assistant":
            asked.update(call["call"] for call in event.body["calls"])
        elif event.kind == "tool_started":
            started.add(event.body["call"])
            wrong += [] if event.body["call"] in asked else [f"{event.body['call']} too early"]
        elif event.kind == "tool_result" and event.body["by"] == "tool":
            wrong += [] if event.body["call"] in started else [f"{event.body['call']} unmarked"]
    return wrong


def _requests(events: Sequence[LogEvent]) -> list[str]:
    """Every request is legal, is what the log says, and only adds to the one before."""
    wrong: list[str] = []
    before: list[str] = []
    for event in events:
        if event.kind == "cut":
            before = []
        if event.kind != "model_call":
            continue
        request = transcript_of(events[: event.seq - 1]).request(event.body["sent"])
        check(marked(request))
        now = lines(request)
        if request.digest != event.body["request"]:
            wrong.append(f"request of {event.seq} is not what was sent")
        if now[: len(before)] != before:
            wrong.append(f"request of {event.seq} changes what was sent before")
        before = now
    return wrong
