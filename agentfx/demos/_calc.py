"""The agent of the crash proof: it adds numbers with a tool, and takes its time."""

import re
from collections.abc import Sequence

import agentfx as fx
from agentfx import harness
from agentfx._clock import SystemClock
from agentfx.harness import Request, results_of, text, tool_use

QUESTION = "what is 21 + 21, then + 100?"
ANSWER = "142"
TOOL_SECONDS = 0.8


@fx.task("calc::add")
async def add(a: int, b: int) -> int:
    """Add two whole numbers. It takes a moment."""
    await SystemClock().sleep(TOOL_SECONDS)
    return a + b


def answer(request: Request) -> Sequence[harness.Block]:
    """Add up the numbers of the question, one call after the other."""
    numbers = [int(number) for number in re.findall(r"\d+", _question(request))]
    sums = [int(result) for result in results_of(request) if result.lstrip("-").isdigit()]
    rest = numbers[len(sums) + 1 :]
    total = sums[-1] if sums else numbers[0]
    if not rest:
        return [text(str(total))]
    return [tool_use("calc__add", a=total, b=rest[0])]


def _question(request: Request) -> str:
    for message in reversed(request.messages):
        for block in reversed(message.content):
            if message.role == "user" and block["type"] == "text":
                return str(block["text"])
    return "0"


calc = harness.Agent(
    "calc",
    model=harness.StubModel(answer),
    tools=[add],
    system="You add numbers with the tool calc__add, one call after the other.",
)
