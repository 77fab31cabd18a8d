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
# # 4 · Kill the kernel and resume
#
# *About eight minutes. It does not need the notebooks before it.*
#
# You know the message: *The kernel has died. It will restart automatically.* Two hours of work are
# gone, and you begin at the top.
#
# A run on the engine does not live in your kernel. The kernel only *drives* it: it decides which
# step comes next. What was done is on record, in a file. So another kernel can go on where this one
# stopped. In this notebook you will
#
# - kill a kernel in the middle of a run, and let a new one finish it,
# - count what was run twice,
# - do the same with the kernel of *this* notebook, if you dare.

# %%
# %load_ext agentfx

# %%
import asyncio
from pathlib import Path

import agentfx as fx

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## A long piece of work
#
# Twelve chapters are translated, four at a time. After the sixth comes a rest, `fx.sleep`, which is
# a step like the others: a kernel that dies in this second loses nothing. Our witness is a diary, a
# plain file with a line for every chapter that is *begun*.

# %%
DIARY = Path("translations.txt").absolute()


@fx.task("books::translate")
async def translate(ctx: fx.TaskContext, chapter: int) -> str:
    """Translate a chapter, and write into the diary that it was begun."""
    with DIARY.open("a") as diary:
        diary.write(f"{ctx.run_id} {chapter}\n")
    await asyncio.sleep(0.3)
    return f"chapitre {chapter}"


@fx.do
def book() -> fx.Do[int, fx.ContractViolation | fx.TaskError]:
    """Translate twelve chapters, with a rest after the sixth."""
    first = yield from translate.for_each(range(6), concurrency=4)
    yield from fx.sleep(1.0)
    second = yield from translate.for_each(range(6, 12), concurrency=4)
    return len(first + second)


def begun(run_id: str) -> list[int]:
    """Chapters that were begun in a run, as the diary tells."""
    lines = (line.split() for line in DIARY.read_text().splitlines())
    return sorted(int(chapter) for run, chapter in lines if run == run_id)


# %% [markdown]
# ## Another kernel, and its end
#
# If you choose **Restart Kernel** now, this notebook stops as well. So that you can watch, the next
# cell starts a *second* kernel, a process of its own that nobody looks at, and lets it run exactly
# the cells that you see here. It shares the folder with this notebook, and so the cluster.

# %%
import inspect

from jupyter_client import AsyncKernelManager

SETUP = f"""
%load_ext agentfx
import asyncio
from pathlib import Path
import agentfx as fx
DIARY = Path({str(DIARY)!r})
{inspect.getsource(translate.function)}
{inspect.getsource(book.__wrapped__)}
"""
CELL = """%%run_dist -o pages
book()
"""


async def new_kernel() -> tuple:
    """Start a kernel in this folder, and run the cells above in it."""
    manager = AsyncKernelManager()
    await manager.start_kernel(extra_arguments=["--log-level=ERROR"])
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=40)
    await client.execute_interactive(SETUP, timeout=40)
    return manager, client


# %% [markdown]
# Start it, let it begin the book, and wait until the fifth chapter is begun. By then some of the
# first four are finished.

# %%
DIARY.write_text("")

kernel, client = await new_kernel()
client.execute(CELL)
while len(DIARY.read_text().splitlines()) < 5:
    await asyncio.sleep(0.01)
run_id = DIARY.read_text().split()[0]

# %% [markdown]
# Now the kernel dies: SIGKILL, as when memory runs out.

# %%
import signal

await kernel.signal_kernel(signal.SIGKILL)
client.stop_channels()

# recent = %runs --limit 3
unfinished = recent[recent.id == run_id]
unfinished[["id", "status", "driven"]]

# %% [markdown]
# The run is on record as *running*, but nobody drives it. The workers finish what they have in
# hand, and then wait.
#
# ## Somebody else goes on
#
# Start another kernel and run **the same cell** in it. It is told neither a name nor a number: it
# finds the unfinished run by the notebook, the cell and its code. Read the lines that it prints.

# %%
kernel, client = await new_kernel()
await client.execute_interactive(CELL, timeout=40)
client.stop_channels()
await kernel.shutdown_kernel(now=True)

# %% [markdown]
# The run has ended, and anybody in this folder can ask for its result. `%resume` goes on with a run
# until it has ended; of one that has, it gives what is on record. In its tree, *from the record*
# marks the steps that the second kernel did not run, because the first one had.

# %%
# %resume $run_id book() -o pages

# %%
assert pages == fx.Ok(12)

# %% [markdown]
# How often was each chapter begun?

# %%
print(begun(run_id))
assert begun(run_id) == list(range(12))

# %% [markdown]
# Once each, although the kernel died in the middle. The workers did not even notice: they belong to
# the folder, not to the kernel. In the log, `run_attached` is when the second kernel took over.

# %%
# log = %events $run_id
log[log.type.isin(["run_started", "run_attached", "run_ended"])][["seq", "at", "type"]]

# %%
assert list(log.type).count("job_done") == 12
assert list(log.type).count("run_attached") == 1

# %% [markdown]
# ## What a replay is
#
# How does a new kernel get into the *middle* of a function? It does not. It calls `book()` again
# from the top, and at each step looks into the record first: what is there is not run, its result
# is used. So the function arrives where it was, with all its variables, in a few milliseconds.
#
# That has one consequence for you. The lines **between** the steps run again, each time. They must
# do the same each time, and nothing else: no `random`, no clock, no writing of files. Whatever is
# to happen once goes into a task, or into `fx.attempt`, whose result is recorded. If a replay does
# meet another step than the record has, it stops and says so, instead of mixing two stories.

# %%
mood = "calm"


@fx.do
def moody() -> fx.Do[int, fx.ContractViolation | fx.TaskError]:
    """Depend on something that is different the second time."""
    yield from translate(100 if mood == "calm" else 200)
    if mood == "calm":
        raise RuntimeError("the kernel stumbles")  # a bug: the run stays unfinished
    return 1


try:
    await fx.run_dist(moody(), run_id=f"moody-{run_id}")
except RuntimeError as error:
    print(f"first: {error}")

# %%
mood = "wild"
try:
    await fx.run_dist(moody(), run_id=f"moody-{run_id}")
except fx.NonDeterminismError as error:
    print(error)
else:
    raise AssertionError("the replay met another step")

# %%
await fx.cancel(f"moody-{run_id}")

# %% [markdown]
# ## Now you
#
# 1. Run the cell below. While it shows `[*]` and some chapters are done, choose
#    **Kernel → Restart Kernel…**. The output stays, the kernel is new and empty.
# 2. Run the first four code cells of this notebook again, from `%load_ext` to the one that defines
#    `book`.
# 3. Run the cell below again.
#
# If you do not restart, it simply ends.

# %% tags=["restart"]
# %%run_dist -o mine
book()

# %% tags=["restarted"]
assert mine == fx.Ok(12)

# %% [markdown]
# ## What was promised, and what not
#
# - **Promised:** a run outlives its kernel. The same cell, or `%resume` with the run's id, goes on
#   with it, and finished steps are not run again.
# - **Promised:** `fx.sleep` ends when it was to end, whoever waits for it then.
# - **Promised:** two kernels never drive one run at the same time; the second attaches to the first
#   and gets the same result.
# - **Not promised:** anything about variables of the kernel that is gone. Only what steps gave is
#   on record.
# - **Not promised:** that a task's *code* runs once. Here no worker died, so it did.
#
# ## Exercises
#
# **1.** Mend `moody`: let `fx.attempt` make the choice, so that it is on record. Stumble once, turn
# wild, and go on with the run: which chapter is it?

# %% tags=["exercise"]
# your program

# %% tags=["solution"] jupyter={"source_hidden": true}
mood = "calm"


async def choose() -> int:
    """Ask the world."""
    return 100 if mood == "calm" else 200


@fx.do
def steady() -> fx.Do[int, fx.ContractViolation | fx.TaskError]:
    """Choose once."""
    chapter = yield from fx.attempt(choose, returns=int)
    yield from translate(chapter)
    if mood == "calm":
        raise RuntimeError("the kernel stumbles")
    return chapter


try:
    await fx.run_dist(steady(), run_id=f"steady-{run_id}")
except RuntimeError:
    mood = "wild"
assert await fx.run_dist(steady(), run_id=f"steady-{run_id}") == fx.Ok(100)

# %% [markdown]
# **2.** The stop button (■) is not Restart. Run the cell of *Now you* again, press it while the
# cell shows `[*]`, and read the line that is printed. Does the run go on? How do you get back?

# %% tags=["exercise"]
# your cell

# %% tags=["solution"] jupyter={"source_hidden": true}
# `--detach` is the same as pressing stop at once: the cell does not wait, the run goes on.
# %run_dist book() --detach -o left_alone
# %resume $left_alone book() -o found_again
assert found_again == fx.Ok(12)

# %% [markdown]
# Next: [5 · Dead letters](05_dead_letters.ipynb), for work that cannot be done.
