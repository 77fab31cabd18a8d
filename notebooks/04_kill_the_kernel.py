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
# Twelve chapters are translated, four at a time. Then comes a step in the kernel itself, `fx.sleep`:
# it waits a second between two batches, and a kernel that dies in this second loses nothing. Again
# a diary is our witness: a line for every chapter that is *begun*.

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
import subprocess
import sys

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager

CELLS = "\n".join(
    [
        "%load_ext agentfx",
        "import asyncio, pathlib, agentfx as fx",
        f"DIARY = pathlib.Path({str(DIARY)!r})",
        inspect.getsource(translate.function),
        inspect.getsource(book.__wrapped__),
    ]
)
