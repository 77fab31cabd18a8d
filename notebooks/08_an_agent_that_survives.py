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
# # 8 · An agent that survives its worker
#
# *About nine minutes. It does not need the notebooks before it, and no key: a stub plays the
# model.*
#
# An agent is a model that may call tools, over and over, until it has an answer. Usually that is
# a loop in some process, and when the process dies, the conversation dies with it, in the middle
# of whatever the tool was doing.
#
# Here there is no loop. A **session** is a log that the engine keeps. A *step* is a job like any
# other: it reads the log, asks the model once, and writes down the answer together with the tool
# calls in it. Each tool call is a job too. In this notebook you will
#
# - ask an agent something and watch its tools,
# - kill the worker that runs a tool, and get the answer all the same,
# - see what the agent is told when nobody can know whether something has happened,
# - decide yourself about a call, in a form.

# %%
# %load_ext agentfx

# %%
import asyncio

import agentfx as fx
from agentfx import harness
from agentfx.harness import Agent, StubModel, approved, results_of, text, tool_use

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## An agent with three tools
#
# Tools are tasks and actions, with their types and docstrings; nothing has to be described twice.
#
# - `price` is a task: it may be run again after an accident.
# - `reserve` is a task too. The warehouse that it asks hangs the first time somebody asks; that
#   gives us the time for an accident.
# - `buy` is an **action**: whatever happens, it is never run again.
#
# The diary, a plain file beside this notebook, is our witness: it gets a line whenever a tool
# *begins*.

# %%
from pathlib import Path

DIARY = Path("agent_diary.txt").absolute()
DIARY.unlink(missing_ok=True)


def witness(line: str) -> None:
    with DIARY.open("a") as diary:
        diary.write(f"{line}\n")


@fx.task("store::price")
async def price(item: str) -> float:
    """The price of an item."""
    await asyncio.sleep(0.2)
    return len(item) * 0.5


@fx.task("store::reserve")
async def reserve(ctx: fx.TaskContext, item: str) -> str:
    """Reserve an item in the warehouse."""
    witness(f"reserve {item} on {ctx.worker}, key {ctx.idempotency_key}")
    await asyncio.sleep(20 if ctx.delivery == 1 else 0.1)
    return f"{item} is reserved"


@fx.action("store::buy")
async def buy(ctx: fx.TaskContext, item: str) -> str:
    """Buy an item: this costs money."""
    witness(f"buy {item} on {ctx.worker}")
    await asyncio.sleep(20 if item == "piano" else 0.1)
    return f"{item} is bought"


# %% [markdown]
# The model is a stub: a plain function from the request to the blocks of an answer, so that this
# notebook behaves the same for everybody. A real one is one line away, `ClaudeModel("…")` in
# place of `StubModel(…)`, and nothing else below would change.


# %%
def replies(request: harness.Request) -> list[harness.Block]:
    found, words = results_of(request), request.last_text.split()
    if found:  # a tool has answered: say so
        return [text(f"The tool says: {found[-1]}")]
    if words and words[0] in ("price", "reserve", "buy"):
        return [tool_use(f"store__{words[0]}", item=words[-1])]
    return [text("Say: price, reserve or buy, and what.")]


store = Agent(
    "store",
    model=StubModel(replies, prices=harness.Prices(input=3, output=15)),
    tools=[price, reserve, buy],
    system="You run a small store.",
)

# %% [markdown]
# `%agent new` begins a session, and later magics mean this one. Its prompt and tools are frozen
# now: they are the first event of its log.

# %%
# session = %agent new store

# %%
# %ask -o answer price of a lamp

# %% [markdown]
# (A longer message is a cell of its own that begins with `%%ask`.) The panel shows the conversation
# as it happens: what you said, the call with the worker that runs it, its result, the answer; above
# it tokens and money; below it the workers and the log.

# %%
assert answer == "The tool says: 2.0"

# %% [markdown]
# ## The accident
#
# Now a tool that takes longer, and `kill -9` for the worker that runs it. `--detach` does not
# wait for the answer, so that the next cell can do damage. The panel stays alive.

# %%
# %ask --detach reserve a lamp

# %%
while not (
    started := [e for e in await session.refresh() if e.body.get("task") == "store::reserve"]
):
    await asyncio.sleep(0.01)
victim = started[-1].writer  # who runs the tool
# %workers kill $victim

# %% [markdown]
# `%ask` without words watches what goes on already, and waits for the answer.

# %%
# %ask -o answer

# %%
assert answer == "The tool says: lamp is reserved"

# %% [markdown]
# Another worker took the call over: the line with ⚡ says who, and how long it took to notice. The
# log has both, with the worker that wrote each line:

# %%
# log = %log
log[["seq", "writer", "kind", "text"]].tail(9)

# %%
starts = log[log.kind == "tool_started"].tail(2)
assert starts.writer.iloc[0] == victim != starts.writer.iloc[1]
assert list(log.seq) == list(range(1, len(log) + 1))  # no gap, no line twice

# %% [markdown]
# The diary has two lines, since the tool was begun twice; but both have the same idempotency key.
# A warehouse that gets the key knows that it is the same reservation.

# %%
print(DIARY.read_text())
keys = {line.split("key ")[1] for line in DIARY.read_text().splitlines() if "reserve" in line}
assert len(keys) == 1

# %% [markdown]
# ## What must not happen twice
#
# Reserving twice may be harmless; buying is not. `buy` is an action, so nobody runs it again. Then
# what is the agent told, when its worker dies in the middle of buying a piano?

# %%
# %workers spawn

# %%
# %ask --detach buy a piano

# %%
while "piano" not in DIARY.read_text():
    await asyncio.sleep(0.01)
await session.refresh()
victim = next(e.writer for e in reversed(session.events) if e.kind == "tool_started")
# %workers kill $victim

# %%
# %ask -o answer

# %% [markdown]
# The truth: it **may have completed**. Not "failed", after which a model would try again, and not
# silence. (Had the accident come before the call was begun, it would read "did not start".) What
# to do now is a decision, and the model, or you, can make it.

# %%
assert "may have completed" in answer
assert DIARY.read_text().count("buy piano") == 1

# %% [markdown]
# ## You decide
#
# `approved(tool)` holds each call of a tool until somebody decides. It is the same agent
# otherwise; it gets a name of its own, since sessions keep the agent they began with.

# %%
# %workers spawn

# %%
careful = Agent(
    "careful",
    model=StubModel(replies),
    tools=[price, reserve, approved(buy)],
    system="You run a small store.",
)
# session = %agent new careful

# %%
# %ask --detach buy a trumpet

# %% [markdown]
# The panel above has a form with the arguments, which you may change; what the schema does not
# allow cannot be approved. You can click there, or say it here. The call waits in the log, so you
# may also close the notebook and decide tomorrow: `%agent use` goes on with a session.

# %%
held = (await session.status(wait_seconds=20)).held
if held:  # else you have clicked already
    await session.approve(held[0], {"item": "flute"})  # a flute is cheaper; or: %approve

# %%
# %ask -o answer

# %% [markdown]
# The agent is told that a person changed the arguments, so that it does not believe that you own a
# trumpet.

# %%
if held:
    assert "it ran" in answer
    assert "flute is bought" in answer
    assert "buy trumpet" not in DIARY.read_text()

# %% [markdown]
# ## What was promised, and what not
#
# - **Promised:** whatever dies, the log is whole, each call has exactly one result, and the session
#   goes on. What was sent to the model is never changed afterwards.
# - **Promised:** an action is begun at most once, and the agent is told the truth about a cut call.
# - **Not promised:** that a *task* is begun once; use its key. And a model call that is cut is paid
#   and made again: the log lists it as "paid, not used".
#
# ## Exercises
#
# **1.** Say "buy a violin" to the careful agent and reject the call with a reason. What does the
# agent read?

# %% tags=["exercise"]
# your cells

# %% tags=["solution"] jupyter={"source_hidden": true}
# %ask --detach buy a violin
# %reject we have one
# %ask -o answer
assert "we have one" in answer

# %% [markdown]
# **2.** `Limits(steps=1)` ends a turn after one model call. Give it to an agent (`limits=`) and ask
# for the price of a lamp. How does the turn end, and can you go on?

# %% tags=["exercise"]
# your cells

# %% tags=["solution"] jupyter={"source_hidden": true}
hasty = Agent("hasty", model=StubModel(replies), tools=[price], limits=harness.Limits(steps=1))
# %agent new hasty
# %ask -o answer price of a lamp
assert answer.startswith("[limit_reached")
# %ask -o answer hello
assert answer == "The tool says: 2.0"  # the result was there already, and it goes on with it

# %% [markdown]
# Next: [9 · Fork and compare](09_fork_and_compare.py)
