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
# # 9 · Fork and compare
#
# *About eight minutes. It does not need the notebooks before it, and no key: a stub and a cassette
# play the model.*
#
# "What if I had asked differently? Would the cheaper model have done?" With most agents you can
# only start over and hope that everything else happens as before. A session here is a log, and a
# log can be **branched after any event**: the branch has the same beginning, byte for byte, and
# goes its own way from there. In this notebook you will
#
# - branch a conversation with another question, and with another model,
# - see both side by side, with what each did cost,
# - put the answers of a model on a cassette, and play them back without it.

# %%
# %load_ext agentfx

# %%
import asyncio
from pathlib import Path

import agentfx as fx
from agentfx import harness
from agentfx.harness import Agent, Cassette, CassetteModel, Prices, StubModel
from agentfx.harness import results_of, text, tool_use

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## A traveller and two models
#
# The tool looks up how long a train takes. Its diary, a file, shows later that no branch repeats
# what was done before.

# %%
DIARY = Path("travel_diary.txt").absolute()
DIARY.unlink(missing_ok=True)
HOURS = {"Rome": 9, "Vienna": 4, "Paris": 6}


@fx.task("travel::hours")
async def hours(city: str) -> int:
    """How many hours the train takes."""
    with DIARY.open("a") as diary:
        diary.write(f"{city}\n")
    await asyncio.sleep(0.2)
    return HOURS.get(city, 24)


# %% [markdown]
# Two stubs stand for two models: a careful one, dear, that looks things up, and a quick one, cheap,
# that guesses.


# %%
def careful(request: harness.Request) -> list[harness.Block]:
    found = results_of(request)
    if found:
        return [text(f"It takes {found[-1]} hours by train, so go by train.")]
    return [tool_use("travel__hours", city=request.last_text.split()[-1])]


def quick(request: harness.Request) -> list[harness.Block]:
    return [text("Oh, three hours or so. Take a plane.")]


traveller = Agent(
    "traveller",
    model=StubModel(careful, name="careful-1", prices=Prices(input=15, output=75)),
    tools=[hours],
    system="You plan journeys.",
)
cheap = Agent(
    "cheap",
    model=StubModel(quick, name="quick-1", prices=Prices(input=1, output=5)),
    tools=[hours],
    system="You plan journeys.",
)

# %%
# rome = %agent new traveller

# %%
# %ask -o answer How do I get to Rome

# %% [markdown]
# Here is the log: one row an event, numbered. Any of these numbers is a place to branch.

# %%
# log = %log
log[["seq", "writer", "kind", "text", "tokens", "cost"]]

# %%
assert "9 hours" in answer
question = int(log[log.kind == "user_message"].seq.iloc[-1])

# %% [markdown]
# ## Another question
#
# `%fork N` keeps the events up to N. With `--edit` the text of that event is another one: as if you
# had asked for Vienna. The branch is in use from here on, and `%ask` without words watches it.

# %%
# vienna = %fork $question --edit "How do I get to Vienna"

# %%
# %ask -o answer

# %%
assert "4 hours" in answer

# %% [markdown]
# `%compare` puts two sessions side by side: how much they share, what each came to and what it
# cost, and then event by event.

# %%
# found = %compare $rome $vienna
found

# %%
assert found.shared == question - 1  # all that came before the question
assert "9" in found.left.answer
assert "4" in found.right.answer

# %% [markdown]
# The parent stays as it was, to the byte: each event carries a hash of itself and of all before.

# %%
before = list(log["hash"])
# again = %log $rome
assert list(again["hash"]) == before

# %% [markdown]
# ## Another model
#
# Was the dear model worth its money? `--agent` goes on with another agent, from the same question.

# %%
# quickly = %fork $question --session $rome --agent cheap

# %%
# %ask -o answer

# %%
# found = %compare $rome $quickly
found

# %%
assert found.right.cost < found.left.cost / 10
assert (found.left.tool_calls, found.right.tool_calls) == (1, 0)

# %% [markdown]
# A tenth of the money, and it is wrong. This is an experiment that you can repeat: one beginning,
# one difference. Nothing that was done before the branch was done again:

# %%
assert DIARY.read_text().split() == ["Rome", "Vienna"]

# %% [markdown]
# ## A cassette
#
# Model calls cost money, and real models never answer twice in the same way. For tests and for
# notebooks like this one, cut a **cassette** from the log: the requests, and the answers to them.

# %%
cassette = Cassette.cut(await rome.refresh())
cassette.save("rome.cassette.json")
print(Path("rome.cassette.json").read_text()[:400], "…")

# %%
replayed = Agent(
    "replayed",
    model=CassetteModel(Cassette.load("rome.cassette.json")),
    tools=[hours],
    system="You plan journeys.",
)
# session = %agent new replayed
# %ask -o answer How do I get to Rome

# %% [markdown]
# The tools are real, the model is played. And it is strict: only the very same request gets the
# recorded answer. So a cassette in your tests tells you when a prompt, a tool, or the order of
# things has changed, and where:

# %%
assert "9 hours" in answer

# %%
# %agent new replayed
# %ask -o answer How do I get to Paris

# %%
print(answer.replace("\\n", "\n"))
assert "request 1 differs" in answer
assert "recorded" in answer

# %% [markdown]
# ## What was promised, and what not
#
# - **Promised:** a branch begins with the same events, hash for hash; the parent never changes; no
#   effect is repeated; a call that was open at the branch is closed in it, and says so.
# - **Promised:** a cassette answers what was recorded, and nothing else.
# - **Not promised:** that a branch is free: from its beginning on the model is asked again. And
#   what a tool did in the world before the branch is done; no branch undoes it.
#
# ## Exercises
#
# **1.** Branch the session about Rome right after the tool was *started*, before its result. What
# does the model read about that call in the branch?

# %% tags=["exercise"]
# your cells

# %% tags=["solution"] jupyter={"source_hidden": true}
started = int(log[log.kind == "tool_started"].seq.iloc[0])
# early = %fork $started --session $rome
# %ask
result = next(e for e in await early.refresh() if e.kind == "tool_result")
assert result.body["by"] == "fork"
assert "may have completed" in result.body["content"]

# %% [markdown]
# **2.** Edit the *result* of the tool: what would the agent have said if the train took one hour?

# %% tags=["exercise"]
# your cells

# %% tags=["solution"] jupyter={"source_hidden": true}
ended = int(log[log.kind == "tool_result"].seq.iloc[0])
# fast = %fork $ended --session $rome --edit 1
# %ask -o answer
assert "1 hours" in answer

# %% [markdown]
# Back to the [overview](README.md).
