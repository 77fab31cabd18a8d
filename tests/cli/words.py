"""A module with programs, as its user would name it."""

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


total = count.for_each(["the quick", "brown fox", "jumps"]).map(sum)
empty = count("")
defect = count("a").map(lambda n: n // 0)
no_effect: fx.Effect[Any, Any] = count("a").flat_map(wrong)
three = 3


def made() -> fx.Effect[int, fx.Failure]:
    return count("one two")


def needs(text: str) -> fx.Effect[int, fx.Failure]:
    return count(text)
