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
# # 3 · Kill a worker
#
# *About eight minutes. It does not need the notebooks before it.*
#
# Machines stop. A cloud takes one away, memory runs out, somebody trips over a cable. Whoever
# started the work then asks: what was done already, what was lost, and who does the rest?
#
# Here you cause the accident yourself, with `kill -9`, and watch what becomes of the work. In this
# notebook you will
#
# - start forty jobs on two workers and kill one of the workers half-way,
# - see where its jobs went, and how many milliseconds that took,
# - see the one thing that durable execution does *not* promise.

# %%
# %load_ext agentfx

# %%
import asyncio

import agentfx as fx

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## Forty pictures
#
# The task stands for anything slow: it "develops" a picture, which takes a third of a second. It
# also keeps a diary, a plain file beside this notebook, with one line for every time it begins.
# The diary is not part of the kit: it is our witness.

# %%
from pathlib import Path

DIARY = Path("diary.txt").absolute()
DIARY.unlink(missing_ok=True)


@fx.task("photos::develop")
async def develop(ctx: fx.TaskContext, picture: int) -> str:
    """Develop a picture, and write into the diary that it was begun."""
    with DIARY.open("a") as diary:
        diary.write(f"{picture} {ctx.worker} {ctx.idempotency_key}\n")
    await asyncio.sleep(0.3)
    return f"picture {picture}"


# %% [markdown]
# ## The accident
#
# `%%run_dist` runs the program that the cell ends in, on the workers, and shows a **panel**: the
# tree of the program on top, then the workers, then a timeline with one lane for each worker.
# With `--detach` the cell does not wait for the end, so that the next cell can do damage.
#
# Run the next two cells, one right after the other, and look at the panel of the first.

# %%
# %%run_dist --detach -o run
develop.for_each(range(40), concurrency=8).map(len).named("the album")

# %%
async for event in run.events():
    if event.type == "job_done":
        victim = event.worker  # the one that finished the first picture
        break
while DIARY.read_text().count(f" {victim} ") <= 4:
    await asyncio.sleep(0.01)  # it has room for four at a time: until it has begun the next
# %workers kill $victim

# %% [markdown]
# That was SIGKILL: no warning, no clean-up, the process is simply gone. On the timeline the bars
# of the victim break off, and an arrow leads from each to a bar in another lane: the same job,
# begun again. Wait for the end:

# %%
result = await run.result()
result

# %% [markdown]
# All forty pictures are there. The program did not notice anything: nothing in it speaks of
# workers, of retries, or of losses.

# %%
assert result == fx.Ok(40)

# %% [markdown]
# ## What exactly happened
#
# Every run keeps a log of its events, and `%events` lists it as a DataFrame. (`$run` is the run
# of the cell above; the name of a run, as `%runs` lists it, does as well.) A lost job leaves three
# lines: `job_lost`, `job_requeued`, and `job_started` on another worker.

# %%
# log = %events $run
moved = log[log.type == "job_lost"]
steps = log[log.path.isin(moved.path) & (log.seq >= moved.seq.min())]
steps.sort_values(["index", "seq"])[["index", "type", "worker", "delivery", "at"]]

# %% [markdown]
# The jobs that the victim had in its hands were begun a second time, by others. What was finished
# stayed finished:

# %%
done = log[log.type == "job_done"]
assert sorted(done["index"]) == list(range(40))  # each picture was finished, and recorded, once

again = log[(log.type == "job_started") & (log.delivery > 1)]
assert sorted(again["index"]) == sorted(moved["index"]) != []
assert set(moved.worker) == {victim}
assert victim not in set(again.worker)

# %% [markdown]
# How long did a lost job lie there? Two things take time: noticing the loss and queueing the job
# again, and waiting until another worker has room for it.

# %%
at = steps.drop_duplicates(["index", "type"]).pivot(index="index", columns="type", values="at")
took = {
    "noticed and queued again": at.job_requeued - at.job_lost,
    "waited for a slot": at.job_started - at.job_requeued,
}
{what: f"{time.max().total_seconds() * 1000:.1f} ms at most" for what, time in took.items()}

# %% [markdown]
# ## What was promised, and what not
#
# Now ask the witness. The diary has a line for every time a picture was *begun*.

# %%
from collections import Counter

begun = [line.split() for line in DIARY.read_text().splitlines()]
beginnings = Counter(int(picture) for picture, _, _ in begun)
twice = {picture for picture, times in beginnings.items() if times > 1}
print(f"40 pictures, {len(begun)} beginnings; begun twice: {sorted(twice)}")

# %%
assert len(beginnings) == 40
assert twice <= set(moved["index"])

# %% [markdown]
# A picture that was under way when the victim died was begun **twice**, and its first half may
# have had effects: here a line in the diary, elsewhere a mail or a payment. This is called *at
# least once*, and no system can do better for effects outside of itself, whatever it says on the
# box.
#
# - **Promised:** every job is done; what was finished and recorded is not run again; the result is
#   the same as without the accident.
# - **Not promised:** that a job is *begun* only once.
#
# What you can do about it: both beginnings have the same **idempotency key**. Hand it to whoever
# is on the other side (most payment services take one), and the second beginning does no harm.

# %%
keys = {}
for picture, _, key in begun:
    keys.setdefault(picture, set()).add(key)
assert all(len(found) == 1 for found in keys.values())

# %% [markdown]
# ## Now you
#
# There is one worker left. Start another, then run the cell below, and while it shows `[*]` click
# **Kill** in the row of any worker of the panel. Or kill both. Then click **Spawn worker**. If
# you do nothing, the cell ends after a few seconds all the same.

# %%
# %workers spawn

# %%
# %%run_dist -o album
develop.for_each(range(40), concurrency=8).map(len).named("the second album")

# %%
assert album == fx.Ok(40)

# %% [markdown]
# While there is no worker at all, the run *waits*: nothing fails, and it goes on when there is one.
# `%workers` lists who is there:

# %%
# %workers

# %% [markdown]
# ## Exercises
#
# **1.** `%workers stop w2` is the polite way: the worker finishes what it has, and takes nothing
# new. Start a run with `--detach`, stop a worker, and show that its log has no `job_lost`.

# %% tags=["exercise"]
# your cells

# %% tags=["solution"] jupyter={"source_hidden": true}
# %workers spawn
# here = %workers
# %run_dist develop.for_each(range(12), concurrency=8) --detach -o polite
async for event in polite.events():
    if event.type == "job_done":
        break
# %workers stop $here.label.iloc[0]
assert len((await polite.result()).unwrap()) == 12
# quiet = %events $polite
assert "job_lost" not in set(quiet.type)

# %% [markdown]
# **2.** Some things must not happen twice, whatever the price. An `fx.action` is run *at most*
# once: after a loss it is not begun again but fails with `TaskError`, reason `lost`. Turn
# `develop` into an action, kill its worker, and look at the exit. Which of the two would you
# choose for sending a mail?

# %% tags=["exercise"]
# your action


# %% tags=["solution"] jupyter={"source_hidden": true}
@fx.action("photos::print")
async def print_once(ctx: fx.TaskContext, picture: int) -> str:
    """Print a picture on expensive paper."""
    await asyncio.sleep(0.5)
    return f"print of {picture}"


# %run_dist print_once(7) --detach -o risky
async for event in risky.events():
    if event.type == "job_started":
        break
# %workers kill $event.worker
lost = await risky.result()
assert (lost.error.reason, lost.error.task) == ("lost", "photos::print")

# %% [markdown]
# Next: [4 · Kill the kernel and resume](04_kill_the_kernel.ipynb), where the notebook itself dies.
