# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2 · One program, two places
#
# *About eight minutes. It does not need the notebook before it.*
#
# A program is a value, and somebody has to give it a meaning: an **interpreter**. This kit has two.
# `run_memory` walks the program in this kernel: right for trying things out, and for tests.
# `run_dist` walks the same program on an engine with workers: right for everything that takes long
# and must not be lost.
#
# In this notebook you will
#
# - run one program in both places, and compare,
# - give it something from outside, a *capability*,
# - see what happens to a step that fails at first,
# - change the code and run it again, and find a finished run again by its name.

# %%
# %load_ext agentfx

# %%
import asyncio
import os
from abc import abstractmethod

from pydantic import BaseModel

import agentfx as fx
from agentfx.interpreters import OtherProgramError

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## A bakery
#
# One task bakes a loaf. Its first argument, `ctx`, is filled in by whoever runs the task, and knows
# which attempt this is. Brioche is difficult: the first one is always burnt.


# %%
class Loaf(BaseModel):
    """What comes out of the oven."""

    name: str
    grams: int


class Burnt(fx.Failure):
    """Left in too long."""

    name: str


@fx.task("bakery::bake", raises=Burnt)
async def bake(ctx: fx.TaskContext, name: str) -> Loaf:
    """Bake a loaf."""
    await asyncio.sleep(0.2)
    if name == "brioche" and ctx.attempt == 1:
        raise Burnt(name=name)
    return Loaf(name=name, grams=100 * len(name))


# %% [markdown]
# Prices are not the baker's business: they come from outside. A **capability** is an interface that
# the program needs; which implementation it gets is decided when it is run.


# %%
class Prices(fx.Capability):
    """A price list."""

    @abstractmethod
    async def per_kilo(self, name: str) -> int:
        """Cents for a kilo."""


# %% [markdown]
# Now the program. `@fx.do` lets you write it line by line: each `yield from` is a step, and gives
# its value. Bake four loaves at a time, trying each twice if need be; then look up what they cost.


# %%
@fx.do
def morning(
    names: list[str],
) -> fx.Do[dict[str, int], Burnt | fx.ContractViolation | fx.TaskError, Prices]:
    """Bake, then write the price tags."""
    loaves = yield from fx.for_each(names, lambda name: bake(name).retry(2), concurrency=4)
    tags: dict[str, int] = {}
    for loaf in loaves:
        cents = yield from Prices.call(Prices.per_kilo, loaf.name)
        tags[loaf.name] = cents * loaf.grams // 1000
    return tags


program = morning(["rye", "brioche", "baguette", "focaccia"])
program

# %% [markdown]
# ## Here, in memory
#
# `--env` hands over the capabilities.


# %%
class PriceList(Prices):
    """Prices that are the same every day; it notes in which process it was asked."""

    def __init__(self) -> None:
        self.asked_in = set()

    async def per_kilo(self, name: str) -> int:
        """All bread costs the same, but brioche."""
        self.asked_in.add(os.getpid())
        return 900 if name == "brioche" else 600


prices = PriceList()
env = Prices.of(prices)

# %%
# %run_memory program --env env -o here

# %% [markdown]
# In the tree the brioche has a **2nd try**: the first loaf was burnt, `retry(2)` allows two
# attempts in all, and the second went well.

# %%
assert here == fx.Ok({"rye": 180, "brioche": 630, "baguette": 480, "focaccia": 480})
here

# %% [markdown]
# ## There, on workers
#
# Change one word. The tasks travel to the workers by themselves; the price list does not: a
# capability stays where you are, because it may hold a connection, a password, or a model.

# %%
# %run_dist program --env env -o there

# %% [markdown]
# The tree is the same, only that each step now names the worker that did it. And so is the exit:

# %%
assert there == here
assert prices.asked_in == {os.getpid()}  # asked in this kernel, both times

# %% [markdown]
# Are these really other processes? Ask a task where it is:


# %%
@fx.task("bakery::where")
async def where() -> int:
    """The process that this runs in."""
    await asyncio.sleep(0.05)
    return os.getpid()


ask = fx.for_each(range(8), lambda _: where(), concurrency=8)

# %%
# %run_memory ask -o mine

# %%
# %run_dist ask -o theirs

# %%
print(f"this kernel: {os.getpid()}")
print(f"in memory:   {sorted(set(mine.unwrap()))}")
print(f"on workers:  {sorted(set(theirs.unwrap()))}")

# %%
assert set(mine.unwrap()) == {os.getpid()}
assert os.getpid() not in theirs.unwrap()

# %% [markdown]
# ## Change the code and run again
#
# Edit a task, run its cell, run the program: the workers get the new code, and nobody restarts
# anything. Here a cell defines the task *and* ends in the program; try it with another text.


# %%
# %%run_dist -o greeting
@fx.task("bakery::greet")
async def greet(customer: str) -> str:
    """Say good morning."""
    return f"Good morning, {customer}"


greet("Ada")


# %%
# %%run_dist -o greeting_2
@fx.task("bakery::greet")
async def greet(customer: str) -> str:
    """Say good morning, in French."""
    return f"Bonjour, {customer}"


greet("Ada")

# %%
assert (greeting.unwrap(), greeting_2.unwrap()) == ("Good morning, Ada", "Bonjour, Ada")

# %% [markdown]
# ## A run has a name
#
# Every run on the engine has an id, and is on record: its steps, their results, how it ended.
# Without an id you get a new run each time. With one, a run that has *ended* is not run again: you
# get its recorded result. Run this cell two times and compare the times in the panel.

# %%
# %run_dist bake("pumpernickel") --run-id monday -o monday

# %%
# %run_dist bake("pumpernickel") --run-id monday -o monday_again

# %%
assert monday == monday_again == fx.Ok(Loaf(name="pumpernickel", grams=1200))
# log = %events monday
assert list(log.type).count("job_started") == 1  # baked once, asked twice
# recent = %runs --limit 5
recent[["id", "status", "started_at"]]

# %% [markdown]
# So an id names a piece of work: put into it what tells this piece from others, such as the day or
# the number of an order. Another *program* under a known id is a mistake, and you are told so:

# %%
try:
    await fx.run_dist(where(), run_id="monday")
except OtherProgramError as error:
    print(error)
else:
    raise AssertionError("the id belongs to another program")

# %% [markdown]
# ## What was promised, and what not
#
# - **Promised:** both interpreters give the same exit for the same program, failures included. (As
#   long as its tasks do: one that reads a clock gives what the clock says.)
# - **Promised:** capabilities and lambdas run in this kernel, tasks on workers.
# - **Not promised:** an order between the items of a `for_each`, or equal times.
# - **Not promised in memory:** durability. If this kernel dies, a run in memory is gone.
# - **Not promised anywhere:** that the *code* of a task runs only once. With `retry` that is plain;
#   the next notebook shows another reason.
#
# ## Exercises
#
# **1.** Sell only what costs less than five euros: extend `program` by `map`, without changing
# `morning`, and show that both interpreters agree.

# %% tags=["exercise"]
# your program

# %% tags=["solution"] jupyter={"source_hidden": true}
cheap = program.map(lambda tags: sorted(name for name, cents in tags.items() if cents < 500))
cheap_here = await fx.run_memory(cheap, env)
cheap_there = await fx.run_dist(cheap, env)
assert cheap_here == cheap_there == fx.Ok(["baguette", "focaccia", "rye"])

# %% [markdown]
# **2.** Burn the brioche for good: what is the exit with `retry(1)`, and at which step? (An exit
# says so in `.at`.) Then let `catch` bake a rye bread instead.

# %% tags=["exercise"]
# your program

# %% tags=["solution"] jupyter={"source_hidden": true}
burnt = await fx.run_memory(bake("brioche").retry(1))
assert burnt == fx.Err(Burnt(name="brioche"))
instead = bake("brioche").retry(1).catch(fx.on(Burnt).do(lambda _: bake("rye")))
assert (await fx.run_memory(instead)).unwrap().name == "rye"
assert (await fx.run_dist(instead)).unwrap().name == "rye"

# %% [markdown]
# Next: [3 · Kill a worker](03_kill_a_worker.ipynb), half-way through its work.
