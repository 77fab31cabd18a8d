"""Three questions, each before the answer to the one before it: only the last is to be sent."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import agentfx as fx
from agentfx._clock import SystemClock

QUESTIONS = ("what is a fence", "what is a fence good for", "what is a fence token")
TYPING_SECONDS = 0.3
THINKING_SECONDS = 1.5

Failures = fx.ContractViolation | fx.TaskError | fx.Superseded


@fx.task("preempt::think")
async def think(question: str) -> str:
    """Think for a while; what is cancelled cleans up."""
    try:
        await SystemClock().sleep(THINKING_SECONDS)
    except asyncio.CancelledError:
        print(f"cleaning up after: {question}")  # noqa: T201 - whoever watches the run sees it
        raise
    return f"the answer to: {question}"


@fx.action("preempt::send")
def send(outbox: str, answer: str, epoch: int) -> str:
    """Send an answer; it cannot be taken back. The epoch goes along, for the far side to check."""
    with Path(outbox).open("a") as file:
        file.write(f"{answer}\n")
    return answer


async def typing(known: int) -> AsyncGenerator[str, None]:
    """The questions, as somebody types them."""
    for number, question in enumerate(QUESTIONS[known:], known):
        if number:
            await SystemClock().sleep(TYPING_SECONDS)
        yield question


def cancellable(outbox: str) -> fx.Effect[list[str], Failures]:
    """Case A: thinking is a task; it is cancelled where it runs."""
    return (
        fx.Stream.from_async_iterable(typing)
        .switch_map(
            lambda question, fence: think(question).flat_map(
                lambda answer: fence.guard(send(outbox, answer, fence.epoch))
            )
        )
        .to_list()
    )


def unstoppable(outbox: str) -> fx.Effect[list[str], Failures]:
    """Case B: a call is under way that nobody can stop; what follows it is fenced out."""
    return (
        fx.Stream.from_async_iterable(typing)
        .switch_map(
            lambda question, fence: fx.attempt(lambda: ask(question)).flat_map(
                lambda answer: fence.guard(send(outbox, answer, fence.epoch))
            )
        )
        .to_list()
    )


async def ask(question: str) -> str:
    """Call a service that answers in its own time, whatever becomes of the caller."""
    answer: asyncio.Future[str] = asyncio.ensure_future(think.local(question))
    while not answer.done():
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            continue  # the call is under way, and goes on
    return answer.result()
