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
# # 6 · Write your own backend
#
# *About nine minutes. It helps to have seen notebook 4.*
#
# `run_dist` knows nothing of engines, workers or databases. It knows a **port**: some twenty
# methods that somebody has to offer. What stands behind them, a file, a database, a cloud, is the
# business of a **backend**. Seen from this side durable execution is surprisingly small, and that
# is what this notebook shows. In it you will
#
# - watch a program talk to a backend,
# - write a backend whose runs survive in a plain text file,
# - check it by *laws*, and see one of them catch a broken backend.
#
# No cluster is needed: everything happens in this kernel.

# %%
# %load_ext agentfx

# %%
import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import agentfx as fx
from agentfx.interpreters import (
    JournalStep,
    OtherProgramError,
    RunPage,
    SettledJob,
)
from agentfx.testing import InMemoryBackend, backend_laws

# %% [markdown]
# ## A program
#
# It brews two pots of tea, tastes them, and brews a third. `BREWED` notes each time that the code
# of the task runs.

# %%
BREWED = []


@fx.task("tea::brew")
async def brew(kind: str) -> str:
    """Brew a pot."""
    BREWED.append(kind)
    return f"a pot of {kind}"


power = "on"


async def taste() -> str:
    """Only you can do that."""
    return "good"


@fx.do
def party() -> fx.Do[list[str], fx.ContractViolation | fx.TaskError]:
    """Three pots, and a power cut if there is one."""
    pots = yield from brew.for_each(["green", "black"])
    verdict = yield from fx.attempt(taste, returns=str)
    if power == "off":
        raise RuntimeError("the lights go out")
    last = yield from brew("mint")
    return [*pots, last, verdict]


# %% [markdown]
# ## What a program asks of its backend
#
# `InMemoryBackend` is the smallest backend there is: dictionaries, in this process. Its source is
# meant to be read and copied. Here is one that says aloud what it is asked.


# %%
class Chatty(InMemoryBackend):
    """Says what it is asked."""

    async def open_run(self, request, listener):
        """A driver wants to drive a run."""
        opened = await super().open_run(request, listener)
        print(f"open_run    {request.run}: {opened.how}")
        return opened

    def submit(self, run, epoch, jobs, opened):
        """A driver has jobs to run."""
        print(f"submit      {', '.join(f'{job.path} {job.task}' for job in jobs)}")
        super().submit(run, epoch, jobs, opened)

    async def put_once(self, run, epoch, steps):
        """A driver wants steps on record."""
        print(f"put_once    {', '.join(f'{step.path} {step.what}' for step in steps)}")
        return await super().put_once(run, epoch, steps)

    async def end_run(self, run, epoch, end):
        """A driver is done."""
        print(f"end_run     ok: {end.ok}")
        return await super().end_run(run, epoch, end)


party_time = await fx.run_dist(party(), backend=Chatty(), run_id="tea-1")
party_time

# %%
assert party_time == fx.Ok(["a pot of green", "a pot of black", "a pot of mint", "good"])
assert party_time == await fx.run_memory(party())

# %% [markdown]
# That is the whole conversation. (The first `submit` has no jobs: it tells that a fan-out begins.)
# The program is walked in this kernel. Tasks become **jobs**, each at a **path** that says where in
# the program it stands. What the driver did itself, tasting, is put
# on record by `put_once`: the *first* value at a path wins, and whoever comes later gets it. With
# these two things one can go on after any interruption.
#
# ## A backend that remembers
#
# Let the record be a file, one line of JSON for each thing that must not be forgotten: a run
# begins, a job ends, a step is computed, a run ends. Everything else we inherit.


# %%
class OnFile(InMemoryBackend):
    """Runs survive this process: what is decided is appended to a file."""

    def __init__(self, path):
        super().__init__()
        self._path, self._sent = path, {}
        path.touch()

    def _write(self, run, kind, **fields):
        with self._path.open("a") as file:
            file.write(json.dumps({"run": run, "kind": kind, **fields}) + "\n")

    def _read(self, run, kind):
        found = []
        for line in map(json.loads, self._path.read_text().splitlines()):
            if line.pop("run") == run:
                if line["kind"] == "begin":
                    found.clear()  # what was before it belongs to an earlier life
                found.append(line)
        return [line for line in found if line.pop("kind") == kind]

    async def open_run(self, request, listener):
        """Start a run, or find it in the file."""
        opened = await super().open_run(request, Ear(self, request.run, listener))
        begun = self._read(request.run, "begin")
        if not begun or request.fresh:
            life = begun[0]["life"] + 1 if begun else 0
            self._write(request.run, "begin", fingerprint=request.fingerprint, life=life)
            return replace(opened, life=life)
        if begun[0]["fingerprint"] != request.fingerprint:
            raise OtherProgramError(f"run {request.run} belongs to another program")
        opened = replace(opened, life=begun[0]["life"])
        for end in self._read(request.run, "end"):
            return replace(opened, how="ended", **end)
        steps = [JournalStep(**step) for step in self._read(request.run, "step")]
        await super().put_once(request.run, opened.epoch, steps)
        return replace(opened, how="resumed")

    async def read_run(self, run, cursor):
        """What a driver that goes on has to know."""
        steps = [JournalStep(**step) for step in self._read(run, "step")]
        return RunPage(steps, [SettledJob(**job) for job in self._read(run, "job")])

    def submit(self, run, epoch, jobs, opened):
        """Run jobs, and keep what they are, for when they end."""
        self._sent.update((job.id, job) for job in jobs)
        super().submit(run, epoch, jobs, opened)

    def job_ended(self, run, job_id, state, outcome):
        """A job has an outcome: write it down before anybody hears of it."""
        job = self._sent[job_id]
        settled = SettledJob(job.id, job.path, job.attempt, job.task, job.input, state, outcome)
        self._write(run, "job", **asdict(settled))

    async def put_once(self, run, epoch, steps):
        """Put steps on record, each once."""
        known = {step["path"] for step in self._read(run, "step")}
        won = await super().put_once(run, epoch, steps)
        for step, (what, value) in zip(steps, won, strict=True):
            if step.path not in known:
                self._write(run, "step", path=step.path, what=what, value=value)
        return won

    async def end_run(self, run, epoch, end):
        """A run is over."""
        state, text = await super().end_run(run, epoch, end)
        self._write(run, "end", state=state, exit=text)
        return state, text

    async def cancel_run(self, run):
        """Somebody does not want it any more."""
        self._write(run, "end", state="cancelled", exit=None)
        return await super().cancel_run(run)


class Ear:
    """Listens for a driver, and writes down what it hears."""

    def __init__(self, backend, run, driver):
        self._backend, self._run, self._driver = backend, run, driver

    def settled(self, job, state, outcome):
        """A job ended."""
        self._backend.job_ended(self._run, job, state, outcome)
        self._driver.settled(job, state, outcome)

    def __getattr__(self, name):
        return getattr(self._driver, name)


# %% [markdown]
# ## The power cut
#
# The lights go out after the tasting. The exception stands for the end of the process: nobody is
# left to drive the run.

# %%
RECORD = Path("tea.jsonl")
RECORD.write_text("")
BREWED.clear()

power = "off"
try:
    await fx.run_dist(party(), backend=OnFile(RECORD), run_id="tea-2")
except RuntimeError as error:
    print(error)

print(RECORD.read_text())

# %% [markdown]
# Read the file: two pots and a verdict are on record, and the run has no end. Now the power is
# back. A **new** backend, which knows nothing but the file, goes on:

# %%
power = "on"
second_try = await fx.run_dist(party(), backend=OnFile(RECORD), run_id="tea-2")
second_try

# %%
assert second_try == party_time
print(Counter(BREWED))
assert Counter(BREWED) == {"green": 1, "black": 1, "mint": 1}

# %% [markdown]
# One pot each. `party()` was called twice, from the top, but green and black tea came from the
# file. A third time, nothing at all is run:

# %%
third_try = await fx.run_dist(party(), backend=OnFile(RECORD), run_id="tea-2")
assert third_try == party_time
assert sum(Counter(BREWED).values()) == 3

# %% [markdown]
# ## Laws
#
# Is the backend right? It worked once, which proves little. `backend_laws.LAWS` are checks of what
# `run_dist` relies on. Copy them into the tests of your own backend.

# %%
for number, law in enumerate(backend_laws.LAWS):
    file = Path(f"law-{number}.jsonl")
    file.unlink(missing_ok=True)
    await law(OnFile(file))
    file.unlink()
    print(f"✓ {law.__name__.replace('_', ' ')}")

# %%
assert len(backend_laws.LAWS) >= 11

# %% [markdown]
# And a backend that is wrong in one word: it lets the *last* value of a step win, not the first.


# %%
class LastWins(InMemoryBackend):
    """Overwrites what is on record."""

    async def put_once(self, run, epoch, steps):
        """Put steps on record, wrongly."""
        known = self._driven(run, epoch)
        known.steps.update((step.path, step) for step in steps)
        return [(step.what, step.value) for step in steps]


broken = []
for law in backend_laws.LAWS:
    try:
        await law(LastWins())
    except backend_laws.LawBrokenError as error:
        broken.append(law.__name__)
        print(f"✗ {law.__name__.replace('_', ' ')}: {error}")

# %%
assert broken == ["a_step_is_written_once"]

# %% [markdown]
# Why does it matter? Two drivers may believe that a run is theirs, for a moment, when one of them
# was only slow. If the last one won, the first would go on with a value that nobody remembers.
#
# ## What was promised, and what not
#
# - **Promised:** a backend that obeys the port gets the whole language: `for_each`, `retry`,
#   timeouts, sleeping, replays. None of it is in the backend.
# - **Not promised by ours:** anything about *workers*. Its jobs run in this process; with it they
#   die. Notebook 3 is about all that the engine adds: several processes, losses, hand-overs.
# - **Not promised by ours:** what a disk does. A line may sit in a buffer when the power fails; a
#   real store calls `fsync`, once for many lines. Until then a job may have ended and not be on
#   record, and is run again: *at least once*, here as everywhere.
#
# ## Exercises
#
# **1.** Jobs of `OnFile` run at once. Write `OneByOne`, on which only one job runs at a time,
# however many are submitted. Do all laws hold?

# %% tags=["exercise"]
# your backend

# %% tags=["solution"] jupyter={"source_hidden": true}
import asyncio


class OneByOne(InMemoryBackend):
    """One job at a time."""

    def __init__(self):
        super().__init__()
        self._slot = asyncio.Semaphore(1)

    async def _execute(self, run, job):
        async with self._slot:
            await super()._execute(run, job)


for law in backend_laws.LAWS:
    await law(OneByOne())
now, most = 0, 0


@fx.task("tea::count")
async def count(n: int) -> int:
    """Count how many run at once."""
    global now, most
    now, most = now + 1, max(most, now + 1)
    await asyncio.sleep(0.01)
    now -= 1
    return n


assert (await fx.run_dist(count.for_each(range(5)), backend=OneByOne())).unwrap() == [*range(5)]
assert most == 1
most = 0
await fx.run_dist(count.for_each(range(5)), backend=InMemoryBackend())
assert most == 5

# %% [markdown]
# **2.** How often does a program of a hundred jobs call `submit`? Count it: once a job, or less?
# Why might that matter to a backend far away?

# %% tags=["exercise"]
# your backend


# %% tags=["solution"] jupyter={"source_hidden": true}
class Counting(InMemoryBackend):
    """Counts calls of submit, and the jobs in them."""

    calls, sent = 0, 0

    def submit(self, run, epoch, jobs, opened):
        """Count, and submit."""
        self.calls, self.sent = self.calls + 1, self.sent + len(jobs)
        super().submit(run, epoch, jobs, opened)


counting = Counting()
await fx.run_dist(brew.for_each([str(n) for n in range(100)]), backend=counting)
print(f"{counting.sent} jobs in {counting.calls} calls")
assert counting.sent == 100
assert counting.calls < 100  # jobs that are ready together travel together

# %% [markdown]
# `docs/` has the reference; `agentfx/testing/_in_memory_backend.py` is the backend to copy.
#
# Next: [7 · Preemption](07_preemption.ipynb), for work that nobody wants any more.
