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
# # 7 · Preemption
#
# *About nine minutes. It does not need the notebooks before it.*
#
# Somebody asks a question, and before the answer is there, asks a better one. The first answer is
# not wanted any more, and above all it must not be *sent*. Cancelling the work is half of the
# solution. The other half is for work that cannot be cancelled, because it has left the house: a
# call to a service, a process on another machine, a program that was paused.
#
# In this notebook you will
#
# - let newer inputs preempt older ones, with `switch_map`,
# - see work that is cancelled, and work that cannot be, and what stops it from having effects,
# - let two runs share one fence.

# %%
# %load_ext agentfx

# %%
import asyncio
from pathlib import Path

import agentfx as fx
from agentfx.demos import Preemption

# %%
# %agentfx up --workers 2

# %% [markdown]
# ## A stream
#
# A **stream** is a program like any other: a source, and operators that say what is to be done with
# each item. `to_list()` makes an effect of it, which you run as you know it.


# %%
@fx.task("chat::square")
async def square(n: int) -> int:
    """Something that takes a while."""
    await asyncio.sleep(0.1)
    return n * n


# %%
# %run_dist fx.Stream.of(1, 2, 3, 4).merge_map(square, 2).map(str).to_list() -o squares

# %%
assert sorted(squares.unwrap()) == ["1", "16", "4", "9"]

# %% [markdown]
# `merge_map` ran at most two at a time, `concat_map` would be one after another. The third one is
# `switch_map`: it runs for the *latest* item only. A newer item cancels what runs for the older.
#
# ## A question in a hurry
#
# Here are three questions, a task that thinks about one for half a second, and an action that sends
# an answer. Sending cannot be taken back.

# %%
QUESTIONS = ["what is a fence", "what is a fence good for", "what is a fence token"]
SENT = Path("sent.txt").resolve()


@fx.task("chat::think")
async def think(question: str) -> str:
    """Think; and tidy up if nobody wants to know any more."""
    try:
        await asyncio.sleep(0.5)
    except asyncio.CancelledError:
        print(f"never mind: {question}")
        raise
    return f"the answer to {question!r}"


@fx.action("chat::send")
def send(answer: str, epoch: int) -> str:
    """Send an answer."""
    with SENT.open("a") as file:
        file.write(f"{answer} (epoch {epoch})\n")
    return answer


# %% [markdown]
# `switch_map` hands the function two things: the item, and its **fence**. Every item raises the
# fence by one, to its own *epoch*. `fence.guard(effect)` runs an effect only if its epoch is the
# latest, and at most once.

# %%
questions: asyncio.Queue[str | None] = asyncio.Queue()


async def typed(known: int):
    """The questions, as somebody types them; `None` ends it."""
    while (question := await questions.get()) is not None:
        yield question


chat = fx.Stream.from_async_iterable(typed).switch_map(
    lambda question, fence: think(question).flat_map(
        lambda answer: fence.guard(send(answer, fence.epoch))
    )
)
chat

# %% [markdown]
# ## Case A: the work can be cancelled
#
# Each question comes as soon as a worker has begun to think about the one before it. The events of
# the run tell when that is.

# %%
SENT.unlink(missing_ok=True)
coming = [*QUESTIONS, None]
questions.put_nowait(coming.pop(0))

# %%
# %%run_dist --detach -o run
chat.to_list()

# %%
events = []
async for event in run.events():
    events.append(event)
    if event.type == "job_started" and coming:
        questions.put_nowait(coming.pop(0))
await run.result()

# %%
case_a = Preemption(events, "Case A: the work can be cancelled")
case_a

# %% [markdown]
# This diagram is drawn from the run's own events. The first two tasks were cancelled where they
# ran, on a worker, as soon as the next question was there; their `except` clause ran (its line is
# among the events). Then the last answer passed the fence.

# %%
print(case_a)
assert case_a.fired == [3]
assert [event.label for event in events if event.type == "output"] != []
assert SENT.read_text() == f"the answer to {QUESTIONS[-1]!r} (epoch 3)\n"

# %% [markdown]
# ## Case B: it cannot be cancelled
#
# Now the thinking is done by a service that answers in its own time, whatever becomes of the
# caller: the call is under way, nobody can stop it. `fx.attempt` runs it in the driver.


# %%
async def ask(question: str) -> str:
    """Call the service. Being cancelled does not help: it goes on."""
    if coming:  # now that the call is under way, the next question comes
        questions.put_nowait(coming.pop(0))
    answer = asyncio.ensure_future(think.local(question))
    while not answer.done():
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            continue
    return answer.result()


hard_to_stop = fx.Stream.from_async_iterable(typed).switch_map(
    lambda question, fence: fx.attempt(lambda: ask(question)).flat_map(
        lambda answer: fence.guard(send(answer, fence.epoch))
    )
)

# %%
SENT.unlink(missing_ok=True)
coming = [*QUESTIONS, None]
questions.put_nowait(coming.pop(0))

# %%
# %%run_dist --detach -o run
hard_to_stop.to_list()

# %%
events = [event async for event in run.events()]
await run.result()

# %%
case_b = Preemption(events, "Case B: a call is under way that cannot be cancelled")
case_b

# %% [markdown]
# All three calls came to their end. But what *follows* a call is the fence, and there the first two
# were turned away: their epoch was not the latest any more.

# %%
print(case_b)
assert case_b.fired == [3]
assert [lane.words for lane in case_b.lanes[:2]] == [
    "could not be cancelled; the fence refuses its effect"
] * 2
assert SENT.read_text() == f"the answer to {QUESTIONS[-1]!r} (epoch 3)\n"

# %% [markdown]
# ## A fence for several runs
#
# A fence with a name is shared by all runs that use it, in all processes on this engine. An item in
# one of them supersedes what runs in all others, though nobody can cancel it there.


# %%
def publish(edition: str, wait) -> fx.Effect[list[str], fx.Superseded]:
    """Publish an edition of a page, after something has been waited for."""

    async def printed() -> str:
        return f"published {edition}"

    return (
        fx.Stream.of(edition)
        .switch_map(
            lambda edition, fence: fx.attempt(wait).flat_map(
                lambda _: fence.guard(fx.attempt(printed))
            ),
            fence="the front page",
        )
        .to_list()
    )


begun, go_on = asyncio.Event(), asyncio.Event()


async def slowly() -> None:
    """Wait for a sign."""
    begun.set()
    await go_on.wait()


async def at_once() -> None:
    """Do not wait."""


# %%
# %%run_dist --detach -o morning
publish("the morning edition", slowly)

# %%
await begun.wait()
# %run_dist publish("the evening edition", at_once) -o evening
go_on.set()
late = await morning.result()
evening, late

# %%
assert evening == fx.Ok(["published the evening edition"])
assert late.error.reason == "newer"

# %% [markdown]
# The late edition fails with `fx.Superseded`, a failure like any other: its type is in the program,
# and `catch` handles it.
#
# ## What was promised, and what not
#
# - **Promised:** one atomic update in the state of the engine decides, *before* an effect begins.
#   Whoever comes with an older epoch is refused, however long it was paused, and also after its
#   driver was killed and resumed.
# - **Promised:** at most once for an epoch and step. If a driver dies between the fence and the end
#   of a step of its own, that is reported as `Superseded(reason="uncertain")`, never passed over.
# - **Not promised:** that whoever is paused *after* it passed the fence does nothing when it wakes
#   up. Nobody can promise that but the far side: give it `fence.epoch` along, as `send` does, and
#   let it refuse an epoch lower than one it has seen.
#
# ## Exercises
#
# **1.** Somebody who types fast makes many questions. `debounce(0.2)` lets one pass only when
# nothing follows it for 0.2 s. Put it before `switch_map`: how many answers are sent now?

# %% tags=["exercise"]
# your stream


# %% tags=["solution"] jupyter={"source_hidden": true}
async def fast(known: int):
    """Three questions at once."""
    for question in QUESTIONS:
        yield question


calm = (
    fx.Stream.from_async_iterable(fast)
    .debounce(0.2)
    .switch_map(lambda question, fence: think(question))
)
# %run_dist calm.to_list() -o answers
assert len(answers.unwrap()) == 1

# %% [markdown]
# **2.** Two places of a program want to send the same mail: only one may. Give both guards the same
# name, `fence.guard(effect, step="mail")`. What does the second one get?

# %% tags=["exercise"]
# your program


# %% tags=["solution"] jupyter={"source_hidden": true}
def twice(n: int, fence: fx.Fence) -> fx.Effect[tuple[int, fx.Exit[int, fx.Superseded]]]:
    """Try it twice."""
    once = fence.guard(square(n), step="mail")
    return once.zip(once.either())


# %run_dist fx.Stream.of(7).switch_map(twice).to_list() -o both
((first, second),) = both.unwrap()
assert first == 49
assert second.error.reason == "taken"

# %% [markdown]
# Next: [8 · An agent that survives its worker](08_an_agent_that_survives.ipynb), which
# calls tools that take a while.
