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
# # 5 · Dead letters
#
# *About seven minutes. It does not need the notebooks before it.*
#
# A killed worker is bad luck: the job is begun elsewhere and succeeds. But some jobs fail wherever
# they are begun, because the *code* is wrong. Trying for ever would be foolish, forgetting the job
# would be worse. So it is put aside, with everything that is known about it. Queues call such a job
# a **dead letter**, after the room in a post office for mail that nobody could deliver.
#
# In this notebook you will
#
# - let one letter of six crash the code that delivers it,
# - find it among the dead letters, mend the code, and have it delivered after all,
# - see when that is refused, and throw a letter away.

# %%
# %load_ext agentfx

# %%
import asyncio

from pydantic import BaseModel

import agentfx as fx

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## The post
#
# An address ends in the number of the house. Doesn't it?


# %%
class Letter(BaseModel):
    """What is to be delivered."""

    to: str
    address: str


LETTERS = [
    Letter(to="Ada", address="Lime Street 4"),
    Letter(to="Ben", address="Main Street 12"),
    Letter(to="Cleo", address="The Lighthouse"),
    Letter(to="Dan", address="High Street 1"),
    Letter(to="Eve", address="Mill Lane 7"),
    Letter(to="Finn", address="Mill Lane 9"),
]


@fx.task("mail::deliver")
async def deliver(letter: Letter) -> str:
    """Find the house and leave the letter there."""
    await asyncio.sleep(0.1)
    street, number = letter.address.rsplit(" ", 1)
    return f"{letter.to}, {street}, house {int(number)}"


# %%
# %run_dist deliver.for_each(LETTERS).named("the post") -o posted

# %% [markdown]
# The lighthouse has no number. `int("Lighthouse")` raised an exception that the task had not
# declared, so it is not a failure that the program knows, but a **crash**:

# %%
posted

# %%
assert (posted.error.reason, posted.error.task) == ("crashed", "mail::deliver")
assert "ValueError" in str(posted.error)

# %% [markdown]
# The exit says which task, and why. Open *trace* under it for the line of code, as it was on the
# worker.
#
# ## Where it is now
#
# `%dlq` lists the dead letters of all runs. (The panel above has them in a table, too.)

# %%
# %dlq

# %%
# letters = %dlq
letter = letters[letters.task == "mail::deliver"].iloc[-1]
letter[["job", "run", "path", "reason", "message", "redrivable"]]

# %%
assert letter.reason == "crashed"
assert letter.redrivable

# %% [markdown]
# Nothing is lost: the job keeps its input, its run keeps everything that was finished. They wait
# for somebody who mends the cause. That is you.
#
# ## Mend and redrive
#
# Define the task anew; the id stays the same.


# %%
@fx.task("mail::deliver")
async def deliver(letter: Letter) -> str:
    """Find the house and leave the letter there; some houses have a name."""
    await asyncio.sleep(0.1)
    street, _, number = letter.address.rpartition(" ")
    house = f"{street}, house {int(number)}" if number.isdigit() else letter.address
    return f"{letter.to}, {house}"


# %% [markdown]
# `%dlq redrive` puts the job back into its queue. (Instead of the long id its first letters do; in
# the panel it is the button **Redrive**.) The run had ended with this failure, so it is opened
# again, and `%resume` drives it to its end. The job runs with the code that you have now.

# %%
# %dlq redrive $letter.job
# %resume $letter.run deliver.for_each(LETTERS).named("the post") -o posted

# %%
assert posted.unwrap()[2] == "Cleo, The Lighthouse"
assert len(posted.unwrap()) == 6
posted

# %% [markdown]
# How many letters were delivered a second time by that? None: look at the tree, those that were
# finished come *from the record*. The log agrees:

# %%
# log = %events $letter.run
delivered = log[log.type == "job_done"]
assert sorted(delivered["index"]) == [0, 1, 2, 3, 4, 5]
assert list(log.type).count("job_dead") == list(log.type).count("job_redriven") == 1

# %% [markdown]
# ## When it is refused
#
# This program expects trouble: `either()` turns each failure into a value, and the program goes on.


# %%
@fx.task("mail::weigh")
async def weigh(letter: Letter) -> int:
    """Weigh a letter, with a bug."""
    return len(letter.to) // (len(letter.address) - len("The Lighthouse"))


# %%
# %run_dist fx.for_each(LETTERS[:3], lambda each: weigh(each).either()) -o weights

# %%
assert [isinstance(each, fx.Ok) for each in weights.unwrap()] == [True, False, False]

# %% [markdown]
# (Two of them crashed: *Main Street 12* is as long as *The Lighthouse*.) The run is over, its
# result is known, and perhaps somebody has acted on it. Running a job of it again would make a
# history that never was. You are told so:

# %%
from agentfx.notebook import dead_letters, redrive

stuck = dead_letters()
stuck = stuck[stuck.task == "mail::weigh"]
try:
    redrive(stuck.job.iloc[0])
except Exception as error:
    print(error)
else:
    raise AssertionError("the run went on past this failure")

# %% [markdown]
# Such a letter can only be thrown away. Its failure stays in the log of its run.

# %%
# %dlq discard $stuck.job.iloc[0]
# %dlq discard $stuck.job.iloc[1]

# %%
left = dead_letters()
assert not set(left.job) & set(stuck.job)

# %% [markdown]
# ## What was promised, and what not
#
# - **Promised:** a job that ends in a `TaskError` (a crash, a time limit, a task that kills every
#   worker it meets) is kept until you redrive or discard it, and so is all that its run finished.
# - **Promised:** a redriven job belongs to the same run, with the same idempotency key.
# - **Not promised:** that the crashed attempt had no effect. What it did before it crashed, it did;
#   redriving runs the task from its start.
# - **Not here:** *declared* failures. They are answers, not accidents: no dead letter, just `Err`.
#
# ## Exercises
#
# **1.** A task may have a time limit: `@fx.task("mail::sort", timeout=0.2)`. Write one that takes
# longer, and find it among the dead letters: what is its reason? Raise the limit, redrive, resume.

# %% tags=["exercise"]
# your task


# %% tags=["solution"] jupyter={"source_hidden": true}
@fx.task("mail::sort", timeout=0.2)
async def sort(bags: int) -> int:
    """Sort some bags of mail."""
    await asyncio.sleep(0.1 * bags)
    return bags


# %run_dist sort(5) -o sorted_
assert sorted_.error.reason == "timeout"
late = dead_letters()
late = late[late.task == "mail::sort"].iloc[-1]


@fx.task("mail::sort", timeout=5)
async def sort(bags: int) -> int:
    """Sort some bags of mail."""
    await asyncio.sleep(0.1 * bags)
    return bags


# %dlq redrive $late.job
# %resume $late.run sort(5) -o sorted_
assert sorted_ == fx.Ok(5)

# %% [markdown]
# **2.** Make the missing number a *declared* failure, `NoNumber`, and let the program deliver such
# letters by hand, with `catch`. Is there a dead letter now?

# %% tags=["exercise"]
# your task


# %% tags=["solution"] jupyter={"source_hidden": true}
class NoNumber(fx.Failure):
    """A house without a number."""

    address: str


@fx.task("mail::strict", raises=NoNumber)
async def strict(letter: Letter) -> str:
    """Deliver to numbers only."""
    if not letter.address[-1].isdigit():
        raise NoNumber(address=letter.address)
    return f"{letter.to}: left at the door"


def by_hand(failure: NoNumber) -> fx.Effect[str]:
    """Somebody walks there."""
    return fx.succeed(f"walked to {failure.address}")


walk = fx.for_each(LETTERS, lambda each: strict(each).catch(fx.on(NoNumber).do(by_hand)))
# %run_dist walk -o walked
assert walked.unwrap()[2] == "walked to The Lighthouse"
assert "mail::strict" not in set(dead_letters().task)

# %% [markdown]
# Next: [6 · Write your own backend](06_your_own_backend.ipynb), to see what all of this stands on.
