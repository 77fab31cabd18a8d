"""`agentfx demo preempt`, and the diagram that is drawn from a run's events."""

import asyncio
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import agentfx as fx
from agentfx.cli._demo_preempt import _case
from agentfx.demos import Preemption
from agentfx.demos._preempt import QUESTIONS, send
from tests.streams.clock import ManualClock, in_memory
from tests.streams.test_operators import at

BIN = Path(sys.executable).parent


async def preempted(fenced: bool) -> Preemption:
    """Inputs at 0, 2 and 4 s, the second of which cannot be stopped."""
    clock, events = ManualClock(), list[fx.Event]()

    async def stubborn() -> None:
        call = asyncio.ensure_future(clock.sleep(3))
        try:
            await asyncio.shield(call)
        except asyncio.CancelledError:
            await call

    def body(second: int, fence: fx.Fence) -> fx.Effect[Any, Any]:
        work: fx.Effect[Any] = fx.attempt(stubborn) if second == 2 else fx.sleep(3)
        sent = fx.succeed(second)
        return work.flat_map(lambda _: fence.guard(sent) if fenced else sent)

    program = at(clock, 0, 2, 4).switch_map(body).to_list()
    assert isinstance(await in_memory(program, clock, events.append), fx.Ok)
    return Preemption(events, "two <cases>")


async def test_the_diagram_tells_both_cases() -> None:
    picture = await preempted(fenced=True)
    assert picture.fired == [3]
    assert [(lane.number, lane.epoch, lane.came, lane.overtaken) for lane in picture.lanes] == [
        (1, 1, 0, 2),
        (2, 2, 2, 4),
        (3, 3, 4, None),
    ]
    assert [[(mark.kind, mark.at) for mark in lane.marks] for lane in picture.lanes] == [
        [("stopped", 2)],
        [("refused", 5), ("outrun", 5)],
        [("done", 7)],
    ]
    text = repr(picture).splitlines()
    assert text[0] == "two <cases>"
    assert [line[:16] for line in text[2:]] == [f"input {n}, epoch {n}" for n in (1, 2, 3)]
    assert "⊘" in text[3]
    assert "could not be cancelled; the fence refuses its effect" in text[3]
    assert text[4].rstrip().endswith("✔ the fence lets its effect pass")


async def test_the_svg_is_well_formed_and_says_the_same() -> None:
    picture = await preempted(fenced=True)
    html = picture._repr_html_()
    figure = ElementTree.fromstring(html)  # noqa: S314 - our own
    svg = figure.find("svg")
    assert svg is not None
    title = svg.find("title")
    assert title is not None
    assert title.text == repr(picture)
    assert "<cases>" not in html
    texts = [text.text for text in svg.iter("text")]
    assert {"✗", "⊘", "✔", "input 3, epoch 3"} <= set(texts)


async def test_without_a_fence_nothing_has_passed_one() -> None:
    assert (await preempted(fenced=False)).fired == []
    assert repr(Preemption([])) == "no stream has switched here"


def hasty(outbox: str) -> fx.Effect[list[str], Any]:
    """Sends every answer, and has no fence."""
    return fx.Stream.of(*QUESTIONS).concat_map(lambda q: send(outbox, q, 0)).to_list()


@pytest.mark.slow
async def test_the_demo_fails_when_more_than_the_latest_is_sent(
    cluster: fx.Cluster, tmp_path: Path
) -> None:
    assert not await _case(cluster, "hasty", hasty, str(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_the_demo_sends_the_latest_and_draws_both_cases(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        BIN / "agentfx", "demo", "preempt", cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    text = printed.decode()
    assert process.returncode == 0, text
    assert text.count("cancelled, and cleaned up") == 2
    assert text.count("could not be cancelled; the fence refuses its effect") == 2
    assert text.count("the fence lets its effect pass") == 2
    assert "only the latest was sent: yes" in text
