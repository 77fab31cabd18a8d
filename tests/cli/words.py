"""A module with programs, as its user would name it."""

import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

import agentfx as fx


class Empty(fx.Failure):
    text: str


@fx.task("cli_words::count", raises=Empty)
async def count(text: str) -> int:
    if not text:
        raise Empty(text="[/red]")
    return len(text.split())


def wrong(count: int) -> Any:
    """Not what `flat_map` goes on with."""
    return count


async def stopped() -> int:
    """Ctrl-C, in the middle of the program."""
    signal.raise_signal(signal.SIGINT)
    await asyncio.Event().wait()
    return 0


def talkative(count: int) -> int:
    print("counting", count)  # noqa: T201 - as its users do
    return count


@fx.task("cli_words::crash")
async def crash(n: int) -> int:
    return n // 0


total = count.for_each(["the quick", "brown fox", "jumps"]).map(sum)
empty = count("")
defect = count("a").map(lambda n: n // 0)
no_effect: fx.Effect[Any, Any] = count("a").flat_map(wrong)
three = 3
interrupted = fx.attempt(stopped)
talks = count("a").map(talkative)
no_number = fx.succeed(float("nan"))


def unnamed() -> fx.Effect[int, fx.Failure]:
    """A program that has no name itself."""
    return count("a").map(abs)


def made() -> fx.Effect[int, fx.Failure]:
    return count("one two")


def needs(text: str) -> fx.Effect[int, fx.Failure]:
    return count(text)


async def later() -> fx.Effect[int, fx.Failure]:
    return count("one")


@fx.task("cli_words::say")
async def say(word: str) -> int:
    print(word, end="")  # noqa: T201 - as its users do
    print(" \x1b[31mred\r\n\nand the rest", file=sys.stderr, end="")  # noqa: T201
    return len(word)


@fx.task("cli_words::say_and_wait")
def say_and_wait(file: str) -> int:
    """It prints, and waits until somebody makes the file."""
    print("begun\npartly", end="")  # noqa: T201 - as its users do
    while not Path(file).exists():
        time.sleep(0.005)
    print("ended")  # noqa: T201 - as its users do
    return 1


crashes = crash(1)
said = say.for_each(["one", "four"]).map(sum)
said_then_defect = say("one").map(lambda n: n // 0)
