"""Random kills of workers and engine while sessions talk: `python -m bench.chaos harness`.

What must hold of every log at rest is in `tests.harness.faults`; the first log that breaks it ends
the run with its seed.
"""

import asyncio
import os
import random
import signal
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import agentfx as fx
from agentfx import harness
from agentfx.harness import Session
from tests.harness import agents
from tests.harness.faults import faults, settled

KILLS = 200
TARGETS = ("w1", "w2", "w1", "w2", "engine")
STOP_EVERY = 25
"""Every so many strikes a worker is stopped for longer than its lease, instead of killed."""
STOPPED_SECONDS = 8.0
SESSIONS = 4
ROUND = 5
"""Kills between two looks at all logs."""


@dataclass(slots=True)
class Chaos:
    """What a run came to."""

    seed: int
    strikes: Counter[str] = field(default_factory=Counter[str])
    events: int = 0
    calls: int = 0
    wrong: list[str] = field(default_factory=list[str])


async def chaos(kills: int = KILLS, seed: int = 1) -> Chaos:
    """Kill, and look at the logs; stops at the first one that is wrong."""
    found, chance = Chaos(seed), random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="agentfx-chaos-") as folder:
        async with fx.local(workers=2, home=f"{folder}/home", tasks=[agents.__name__]) as cluster:
            number = 0
            while sum(found.strikes.values()) < kills and not found.wrong:
                number += 1
                await _round(cluster, Path(folder), chance, found, number)
    return found


async def _round(
    cluster: fx.Cluster, folder: Path, chance: random.Random, found: Chaos, number: int
) -> None:
    sessions = [
        await harness.open(f"r{number}s{n}", agents.noter, backend=cluster) for n in range(SESSIONS)
    ]
    for strike in range(ROUND):
        for index, session in enumerate(sessions):
            path = folder / f"r{number}s{index}"
            await session.send(f"{path} a{strike} b{strike}")
        await asyncio.sleep(chance.random() * 0.08)
        await _strike(cluster, chance, found)
    for session in sessions:
        await _look(session, found)


async def _strike(cluster: fx.Cluster, chance: random.Random, found: Chaos) -> None:
    target = chance.choice(TARGETS)
    count = sum(found.strikes.values()) + 1
    if target == "engine":
        found.strikes["engine killed"] += 1
        await cluster.kill_engine()
        return
    await cluster.joined([target])
    pid = next(int(w["pid"]) for w in await cluster.workers() if w["label"] == target)
    if count % STOP_EVERY:
        found.strikes["worker killed"] += 1
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return
    found.strikes["worker stopped"] += 1
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(STOPPED_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def _look(session: Session, found: Chaos) -> None:
    events = await settled(session)
    found.events += len(events)
    found.calls += sum(event.kind == "tool_result" for event in events)
    found.wrong += [f"{session.id}: {fault}" for fault in faults(events)]


def run(kills: int, seed: int) -> int:
    """Run it, and say what came of it; 1 if anything is wrong."""
    found = asyncio.run(chaos(kills, seed))
    print(f"harness, seed {found.seed}: {dict(found.strikes)}; {found.events} events, "
          f"{found.calls} tool calls; wrong: {found.wrong or 'nothing'}")  # fmt: skip
    return 1 if found.wrong else 0
