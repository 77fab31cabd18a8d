"""Mistakes in writing an agent: refused where they are written, in one line."""

from collections.abc import Callable
from typing import Any

import pytest

import agentfx as fx
from agentfx import harness
from agentfx.harness import Agent, StubModel, text
from tests.harness.agents import add

loose: Any = Agent  # what the checkers refuse, and a notebook does not
model = StubModel(lambda _: [text("done")])

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "a model": (lambda: loose("a", model="claude"), r"such as ClaudeModel\(NAME\), not 'claude'"),
    "a plain function": (lambda: loose("a", model=model, tools=[len]), "a tool is a task, an act"),
    "a call": (lambda: loose("a", model=model, tools=[add(1, 2)]), "a tool is a task, an action"),
    "one tool": (lambda: loose("a", model=model, tools=add), "tools are a list, "),
    "a policy": (lambda: loose("a", model=model, policy="now"), "'queue' or 'preempt', not 'now'"),
    "results": (
        lambda: loose("a", model=model, results="any"),
        "'all' results or 'each', not 'any",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_where_it_is_written(mistake: str) -> None:
    write, line = MISTAKES[mistake]
    with pytest.raises((TypeError, ValueError), match=line):
        write()


@pytest.mark.slow
async def test_a_session_is_an_agents(cluster: fx.Cluster) -> None:
    no_agent: Any = add
    with pytest.raises(TypeError, match=r"a session is an agent's, not <task tests::add>'s"):
        await harness.open("mistaken", no_agent, backend=cluster)
