"""Agents for tests, as a module that workers import."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import agentfx as fx
from agentfx import harness
from agentfx.harness import (
    Block,
    ClaudeModel,
    Limits,
    Request,
    Retry,
    StubModel,
    approved,
    results_of,
    text,
    tool_use,
)


@fx.task("tests::add")
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@fx.task("tests::note")
async def note(ctx: fx.TaskContext, path: str, word: str) -> str:
    """Write a line to a file: an effect that can be counted."""
    write(path, f"{word} {ctx.idempotency_key} {ctx.delivery}")
    return word


@fx.action("tests::pay")
async def pay(path: str, seconds: float = 0.0) -> str:
    """Pay, once."""
    write(path, "paid")
    await asyncio.sleep(seconds)
    return "paid"


@fx.task("tests::fails")
async def fails(why: str) -> str:
    """Fail."""
    raise ValueError(why)


def write(path: str, line: str) -> None:
    """Append a line in one write, so that lines of two processes do not mix."""
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


def last_words(request: Request) -> str:
    """The newest text of a user."""
    for message in reversed(request.messages):
        for block in reversed(message.content):
            if message.role == "user" and block["type"] == "text":
                words = str(block["text"])
                if not words.startswith("["):  # a late result, or what was left out
                    return words
    return ""


def sums(request: Request) -> Sequence[Block]:
    """`a b c`: adds them one after the other."""
    numbers = [int(word) for word in last_words(request).split()]
    found = [int(result) for result in results_of(request)]
    rest = numbers[len(found) + 1 :]
    total = found[-1] if found else numbers[0]
    return [tool_use("tests__add", a=total, b=rest[0])] if rest else [text(str(total))]


def notes(request: Request) -> Sequence[Block]:
    """`path word word`: writes all words at once."""
    path, *words = last_words(request).split()
    if results_of(request):
        return [text(" ".join(results_of(request)))]
    return [tool_use("tests__note", f"id_{path}_{w}", path=path, word=w) for w in words]


def pays(request: Request) -> Sequence[Block]:
    """`path`: pays, and says what came of it."""
    if results_of(request):
        return [text(results_of(request)[-1])]
    return [tool_use("tests__pay", path=last_words(request), seconds=60.0)]


def stubborn(request: Request) -> Sequence[Block]:
    """Makes the same failing call for ever."""
    results = results_of(request)
    if results and "was not made again" in results[-1]:
        return [text("I give up.")]
    return [tool_use("tests__fails", why="no")]


def endless(request: Request) -> Sequence[Block]:
    """Never stops adding."""
    return [tool_use("tests__add", a=len(results_of(request)), b=1)]


adder = harness.Agent("adder", model=StubModel(sums), tools=[add], system="Add.")
noter = harness.Agent("noter", model=StubModel(notes), tools=[note])
payer = harness.Agent("payer", model=StubModel(pays), tools=[pay])
asker = harness.Agent("asker", model=StubModel(notes), tools=[approved(note)])
mule = harness.Agent("mule", model=StubModel(stubborn), tools=[fails])
spinner = harness.Agent("spinner", model=StubModel(endless), tools=[add], limits=Limits(steps=3))
thinker = harness.Agent(
    "thinker", model=StubModel(sums, seconds=30.0), tools=[add], policy="preempt"
)
claude = harness.Agent(
    "claude_test",
    model=ClaudeModel("claude-test", prices=harness.Prices(1.0, 5.0)),
    tools=[add],
    system="Add.",
    retry=Retry(attempts=3, first_seconds=0.01),
)
