"""A module with programs, as its user would name it."""

import agentfx as fx


class Empty(fx.Failure):
    text: str


@fx.task("cli_words::count", raises=Empty)
async def count(text: str) -> int:
    if not text:
        raise Empty(text="[/red]")
    return len(text.split())


total = count.for_each(["the quick", "brown fox", "jumps"]).map(sum)
empty = count("")
defect = count("a").map(lambda n: n // 0)
three = 3


def made() -> fx.Effect[int, fx.Failure]:
    return count("one two")


def needs(text: str) -> fx.Effect[int, fx.Failure]:
    return count(text)
