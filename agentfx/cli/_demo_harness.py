"""`agentfx demo harness`, `agent`, `preempt-agent`: an agent that outlives its workers."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.table import Table
from rich.text import Text

import agentfx
import agentfx as fx
from agentfx import harness
from agentfx.cli._harness import ModelName
from agentfx.cli._show import out
from agentfx.cluster import Cluster, Home
from agentfx.demos import _calc as calc
from agentfx.demos import _rush as rush
from agentfx.harness import LogEvent, Session, converse, thinking
from agentfx.harness._view import text

WAIT_SECONDS = 60.0
PYMATH = Path(agentfx.__file__).parent.parent / "workers" / "pymath"


async def crash_proof(model: ModelName) -> bool:
    """Kill the worker that runs the first tool; whether another one gave the answer."""
    serve = [str(PYMATH)] if model == "claude" else []
    if serve and not PYMATH.is_dir():
        raise harness.SessionError(
            "with Claude the demonstration needs workers/pymath, which a clone of agentfx has; "
            "without: --model stub"
        )
    with tempfile.TemporaryDirectory(prefix="agentfx-demo-") as home:
        async with fx.local(workers=0, home=home, serve=serve) as cluster:
            first, second = _start_worker("w1", model, home), None
            try:
                await cluster.joined(["w1"], WAIT_SECONDS)
                session = await _open(model, cluster)
                out.print(f"asking: {calc.QUESTION}")
                await session.send(calc.QUESTION)
                await _until_tool_runs(session)
                out.print("kill -9 of the process group of w1: its first tool is running")
                os.killpg(first.pid, signal.SIGKILL)
                second = _start_worker("w2", model, home)
                async with asyncio.timeout(WAIT_SECONDS):
                    answer = await session.idle()
            finally:
                for worker in (first, second):
                    _end(worker)
    out.print()
    show_log(session.events)
    return _judge(answer, session.events)


async def _open(model: ModelName, cluster: Cluster) -> Session:
    if model == "claude":
        from agentfx.demos._claude import claude

        return await harness.open("demo", claude, backend=cluster)
    return await harness.open("demo", calc.calc, backend=cluster)


async def _until_tool_runs(session: Session) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        async for seen in session.watch():
            if any(event.kind == "tool_started" for event in seen.events):
                return


def _start_worker(name: str, model: ModelName, home: str) -> subprocess.Popen[bytes]:
    log = Home.of(home).log.open("ab")
    with log:
        return subprocess.Popen(  # noqa: S603 - our own command
            [
                sys.executable, "-m", "agentfx", "harness", "--model", model, "--name", name,
                "--home", home,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a process group of its own, so that it can be killed whole
        )  # fmt: skip


def _end(worker: subprocess.Popen[bytes] | None) -> None:
    if worker is None:
        return
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _judge(answer: str, events: list[LogEvent]) -> bool:
    writers = {event.writer for event in events}
    right = calc.ANSWER in answer and {"w1", "w2"} <= writers
    out.print()
    out.print(f"answer: {answer}", style="bold", markup=False)
    both = "w1 and w2 both wrote the log" if {"w1", "w2"} <= writers else f"writers: {writers}"
    out.print(f"{both}; expected {calc.ANSWER}: {'yes' if right else 'NO'}", style="bold")
    return right


def show_log(events: list[LogEvent]) -> None:
    """Print a log: who wrote what."""
    table = Table("#", "writer", "epoch", "event", "", box=None, header_style="bold")
    for event in events:
        if event.kind in ("model_call", "usage"):
            continue
        table.add_row(str(event.seq), event.writer, str(event.epoch), event.kind, Text(text(event)))
    out.print(table)


async def in_the_driver() -> bool:
    """Ask in memory and on two workers; whether the answers are equal."""
    program, env = converse(calc.calc, calc.QUESTION), thinking(calc.calc)
    out.print(f"asking: {calc.QUESTION}")
    in_memory = await fx.run_memory(program, env)
    out.print(f"in memory: {in_memory}", markup=False)
    with tempfile.TemporaryDirectory(prefix="agentfx-demo-") as home:
        async with fx.local(workers=2, home=home) as cluster:
            dist = await fx.run_dist(program, env, backend=cluster)
    out.print(f"on two workers: {dist}", markup=False)
    right = in_memory == dist == fx.Ok(calc.ANSWER)
    out.print(f"the same, and {calc.ANSWER}: {'yes' if right else 'NO'}", style="bold")
    return right


async def overtake() -> bool:
    """Overtake a turn by a message; whether only the tool of the newest one ran."""
    with tempfile.TemporaryDirectory(prefix="agentfx-demo-") as home:
        async with fx.local(workers=1, home=home) as cluster:
            session = await harness.open("demo", rush.rush, backend=cluster)
            for name in ("ada", "grace"):
                out.print(f"asking: send a mail to {name}")
                await session.send(f"send a mail to {name}")
                await _until_model_thinks(session, session.events)
            async with asyncio.timeout(WAIT_SECONDS):
                answer = await session.idle()
    out.print()
    show_log(session.events)
    started = [e.body["input"] for e in session.events if e.kind == "tool_result"]
    right = started == [{"to": "grace"}]
    out.print(f"\nanswer: {answer}", style="bold", markup=False)
    out.print(f"only the newest message's tool ran: {'yes' if right else 'NO'}", style="bold")
    return right


async def _until_model_thinks(session: Session, seen: list[LogEvent]) -> None:
    """Wait for a model call after what was seen."""
    async with asyncio.timeout(WAIT_SECONDS):
        async for news in session.watch(seen[-1].seq if seen else 0):
            if any(event.kind == "model_call" for event in news.events):
                await session.refresh()
                return
