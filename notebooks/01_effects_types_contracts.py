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
# # 1 · Effects, types and contracts
#
# *About eight minutes. You need nothing but this notebook.*
#
# Ordinary code *does* things as soon as a line is reached. Here you first write down what is to
# be done, as a value, and run it afterwards. That small detour is what makes the rest of the kit
# possible: a value can be looked at, checked, sent to another process, stopped half-way, and
# taken up again after a crash.
#
# In this notebook you will
#
# - write a task and a program, and look at it before it runs,
# - meet failures as values, and see a type checker find one that you forgot,
# - read a task's contract back from a running engine, and watch it catch a bad value.
#
# Run the cells one after the other with **Shift-Enter**. The first one loads the kit.

# %%
# %load_ext agentfx

# %%
import ast
import importlib.util
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

import agentfx as fx

# %% [markdown]
# ## A task
#
# A **task** is a function that may run somewhere else. It says what it takes, what it gives, and
# how it can fail. This one finds a module of the Python standard library and counts the words of
# the text on top of it.


# %%
class Doc(BaseModel):
    """What a module says of itself."""

    module: str
    words: int


class NoDoc(fx.Failure):
    """A module that is not there, or says nothing."""

    module: str


ModuleName = Annotated[str, Field(min_length=1, max_length=80)]


@fx.task("docs::count", raises=NoDoc)
async def count(module: ModuleName) -> Doc:
    """Count the words of a module's documentation."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise NoDoc(module=module)
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    if not text:
        raise NoDoc(module=module)
    return Doc(module=module, words=len(text.split()))


# %% [markdown]
# Calling a task does **not** run it. The call is a small program: it says that `count` is to be
# called with `"json"`.

# %%
one = count("json")
one

# %% [markdown]
# Nothing was read so far. Now run it. `%run_memory` runs a program here, in this kernel; `-o`
# keeps how it ended under a name.

# %%
# %run_memory one -o result

# %%
result

# %% [markdown]
# The tree above the result shows each step and how it went. The result itself is an **exit**:
# either `Ok` with a value or `Err` with a failure. A match tells them apart.

# %%
match result:
    case fx.Ok(doc):
        print(f"{doc.module} has {doc.words} words of documentation")
    case fx.Err(NoDoc(module=module)):
        print(f"{module} says nothing")
    case fx.Err(error):
        print(f"something else went wrong: {error}")

assert isinstance(result, fx.Ok)
assert result.value.words > 100

# %% [markdown]
# ## A program
#
# Programs are built of programs. `for_each` runs a task for every item, `map` changes the value,
# `named` gives the whole a name to find it by.

# %%
MODULES = ["json", "asyncio", "sqlite3", "heapq", "fractions", "this_is_none"]

total = count.for_each(MODULES, concurrency=3).map(lambda docs: sum(d.words for d in docs))

# %% [markdown]
# `%effect` draws the tree of a program, and still runs nothing.

# %%
# %effect total.named("words in all")

# %% [markdown]
# ## Failures are values
#
# The last module does not exist. Guess what happens before you run the next cell: an exception, a
# total without it, or something else?

# %%
# %run_memory total.named("words in all") -o failed

# %%
failed

# %%
assert failed.error == NoDoc(module="this_is_none")

# %% [markdown]
# No exception: the program ended in `Err`, and the failure is an ordinary value with fields, equal
# to any other `NoDoc` of that module. It was *declared* (`raises=NoDoc`), so it belongs to what
# the program can do, like its result.
#
# Handle it where it belongs, for each module by itself:


# %%
def silent(failure: NoDoc) -> fx.Effect[Doc]:
    """Stand in for a module that says nothing."""
    return fx.succeed(Doc(module=failure.module, words=0))


careful = fx.for_each(MODULES, lambda m: count(m).catch(fx.on(NoDoc).do(silent)), concurrency=3)

# %%
# %run_memory careful.named("careful") -o docs

# %%
assert [d.module for d in docs.unwrap()] == MODULES
assert docs.unwrap()[-1].words == 0

# %% [markdown]
# ## What the type checker knows
#
# A program has three types: what it gives, how it can fail, and what it needs from outside. A type
# checker follows them through every combinator. The cell below writes a small file and lets
# **mypy** read it; three of its lines are wrong, each in its own way. Find them first.

# %%
SNIPPET = """
import agentfx as fx
from typing import Never

class NoDoc(fx.Failure):
    module: str

@fx.task("docs::count", raises=NoDoc)
async def count(module: str) -> int:
    return len(module)

fine = count("json").map(lambda words: words + 1)

one = count(42)

def never_fails() -> fx.Effect[int, Never]:
    return count("json")

async def main() -> None:
    await fx.run_dist(fx.for_each_par([1, 2], fx.succeed, 2))
"""

# %% tags=["once"]
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    Path(folder, "snippet.py").write_text(SNIPPET)
    checker = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-color-output", "snippet.py"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
print(checker.stdout or checker.stderr)

# %%
complaints = [line for line in checker.stdout.splitlines() if ": error:" in line]
assert len(complaints) == 3, checker.stdout + checker.stderr

# %% [markdown]
# What it found, before anything ran:
#
# 1. `count(42)`: a number is no name of a module;
# 2. `never_fails` promises that nothing fails, but `NoDoc` is still to be handled (and two more,
#    which every task has: see below);
# 3. `for_each_par` takes any function, and such a function cannot run on another machine.

# %% [markdown]
# ## The contract
#
# Types help in your editor. What if the caller is written in another language, or the value comes
# from a file? For that a task has a **contract**: the same types as a JSON Schema.

# %%
count.contract.request_schema

# %% [markdown]
# The contract is checked where a value goes in, and again where it comes out. An empty name is no
# module name, says the schema above.

# %%
# %run_memory count("") -o bad

# %%
assert isinstance(bad.error, fx.ContractViolation)
assert bad.error.where == "input"
bad

# %% [markdown]
# The function was never called: the value was caught at the door. It works in the other direction
# too. This task promises a number and gives something else.


# %%
@fx.task("docs::liar")
async def liar() -> int:
    """Promise a number."""
    return "three"  # a type checker would have told you


# %%
# %run_memory liar() -o lie

# %%
assert isinstance(lie.error, fx.ContractViolation)
assert lie.error.where == "output"
lie

# %% [markdown]
# ## Read back from the engine
#
# So far everything ran in this kernel. `%agentfx up` starts an **engine** for this folder and two
# **workers**, each a process of its own. `%run_dist` runs a program there.

# %%
# %agentfx up --workers 2

# %%
# %run_dist careful.named("careful") -o docs_of_workers

# %% [markdown]
# Two workers did the work, and the exit is the same:

# %%
assert docs_of_workers == docs

# %% [markdown]
# The workers have told the engine what `docs::count` takes and gives, and how it fails. Ask it:

# %%
# listed = %contracts
listed

# %%
fx.contract("docs::count")

# %%
assert "docs::count" in set(listed.id)

# %% [markdown]
# Open the schemas: they are the same as those of the function in this notebook, because they were
# made of it.

# %%
async with fx.connect() as engine:
    published = await engine.published("docs::count")
published.response

# %%
assert published.request == count.contract.request_schema
assert published.response == count.contract.response_schema
assert "NoDoc" in str(published.errors)

# %% [markdown]
# This is what a worker in any other language would read, and what it is held to.
#
# ## What was promised, and what not
#
# - A program is a value. Making it, printing it and comparing it runs nothing.
# - A *declared* failure is a result: it comes back as `Err`, equal by its fields.
# - Every task can fail in two more ways, and the type says so: `ContractViolation`, a value that
#   does not fit, and `TaskError`, such as a time limit or a worker that is gone.
# - The contract is about the *shape* of values. Whether 323 words is right, it cannot know.
# - An exception in your own lambda is a bug, not a failure: `run_memory` raises it.
#
# ## Exercises
#
# Each has an empty cell, and below it a folded one with a solution: click on the three dots (or
# the blue bar beside it) to open it.
#
# **1.** Make a program that gives the *number* of modules in `MODULES` that have documentation.
# `either()` turns a program that can fail into one that gives its exit.

# %% tags=["exercise"]
# your program


# %% tags=["solution"] jupyter={"source_hidden": true}
def has_doc(module: str) -> fx.Effect[bool, fx.ContractViolation | fx.TaskError]:
    """Whether a module says something."""
    found = count(module).map(lambda _: True)
    return found.catch(fx.on(NoDoc).do(lambda _: fx.succeed(False)))


documented = fx.for_each(MODULES, has_doc, concurrency=3).map(sum)
counted = await fx.run_memory(documented)
assert counted == fx.Ok(5)
exits = await fx.run_memory(fx.for_each(MODULES, lambda m: count(m).either()))
assert sum(isinstance(e, fx.Ok) for e in exits.unwrap()) == 5

# %% [markdown]
# **2.** Write a task `docs::longest` that takes a list of at most three names, and gives the one
# with most words. What does the contract say of the list? What happens with four names?

# %% tags=["exercise"]
# your task


# %% tags=["solution"] jupyter={"source_hidden": true}
@fx.task("docs::longest", raises=NoDoc)
async def longest(modules: Annotated[list[str], Field(max_length=3)]) -> str:
    """Find the module that says most."""
    found = [await count.local(module) for module in modules]
    return max(found, key=lambda doc: doc.words).module


assert longest.contract.request_schema["properties"]["modules"]["maxItems"] == 3
assert (await fx.run_memory(longest(["heapq", "this"]))).error == NoDoc(module="this")
four = await fx.run_memory(longest(["json", "heapq", "sqlite3", "asyncio"]))
assert four.error.where == "input"

# %% [markdown]
# Next: [2 · One program, two places](02_memory_and_dist.ipynb), here and on workers.
