"""Mistakes in programs: one line that says what to do, the same on both sides; nothing is lost."""

import math
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

import agentfx as fx
from agentfx.interpreters import NoWorkerError
from tests.faults.jobs import work

pytestmark = pytest.mark.slow
LIMIT = 4 * 1024 * 1024


async def _echo(value: Any) -> Any:
    return value


# Takes anything at all, which a checker cannot tell from a context.
echo: Any = fx.task("mistakes::echo")(_echo)


@fx.task("mistakes::make")
async def make(kind: str) -> object:
    made: dict[str, object] = {
        "large": "x" * (LIMIT + 1),
        "NaN": {"v": math.nan},
        "infinity": [math.inf],
        "object": object(),
        "surrogate": "\ud800",
    }
    return made[kind]


@fx.task("mistakes::nested")
async def nested(n: int) -> int:
    return len(str((await fx.run_dist(echo(n))).unwrap()))


@fx.task("mistakes::nested_in_thread")
def nested_in_thread(n: int) -> int:
    return len(str(fx.run_dist_sync(echo(n)).unwrap()))


@pytest.fixture
async def kept(cluster: fx.Cluster) -> AsyncIterator[fx.Cluster]:
    """A cluster with a finished run, which is as it was in the end."""
    run = await fx.start(echo("kept"), backend=cluster)
    assert await run.result() == fx.Ok("kept")
    yield cluster
    again = await fx.run_dist(echo("kept"), backend=cluster, run_id=run.id)
    assert again == fx.Ok("kept")


async def failed(program: fx.Effect[Any, Any], cluster: fx.Cluster) -> Any:
    """The failure of a program, which is one line and the same in memory."""
    exit_ = await fx.run_dist(program, backend=cluster)
    assert exit_ == await fx.run_memory(program)
    assert isinstance(exit_, fx.Err)
    assert "\n" not in str(exit_.error)
    return exit_.error


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("large", "too_large"),
        ("NaN", "unserializable"),
        ("infinity", "unserializable"),
        ("object", "unserializable"),
        ("surrogate", "unserializable"),
    ],
)
async def test_a_value_that_cannot_travel(kind: str, reason: str, kept: fx.Cluster) -> None:
    outcome = await failed(make(kind), kept)
    assert (outcome.task, outcome.reason) == (make.id, reason)
    sent = await failed(echo(await make.local(kind)), kept)
    assert (sent.task, sent.reason) == (echo.id, reason)


async def test_a_value_at_the_limit_travels(kept: fx.Cluster) -> None:
    value = "x" * (LIMIT - 200)
    assert await fx.run_dist(echo(value), backend=kept) == fx.Ok(value)


async def test_a_task_that_no_worker_has(kept: fx.Cluster) -> None:
    async with fx.connect(url=kept.url, token=kept.token) as elsewhere:  # no code goes along
        with pytest.raises(NoWorkerError) as caught:
            await fx.run_dist(_foreign()("x"), backend=elsewhere, run_id="u")
    line = str(caught.value)
    assert line.startswith("no worker has mistakes::nowhere: ")
    assert re.search(r"w1 has .*; w2 has ", line)
    assert "the run is kept and goes on when it is resumed" in line
    assert "\n" not in line
    row = await kept.request("run::get", {"run": "u"})
    assert (row["status"], row["driven"]) == ("running", False)
    program = _foreign()("x")
    assert await fx.run_dist(program, backend=kept, run_id="u") == fx.Ok("x")


def _foreign() -> Any:
    @fx.task("mistakes::nowhere")
    async def nowhere(value: str) -> str:
        return value

    return nowhere


@pytest.mark.parametrize("task", [nested, nested_in_thread])
async def test_a_run_inside_a_task(task: Any, kept: fx.Cluster) -> None:
    error = await failed(task(1), kept)
    assert error.reason == "crashed"
    assert f"task {task.id} starts a run, which would wait for a slot" in error.message
    assert "compose the programs instead" in error.message


async def test_another_program_under_a_known_id(kept: fx.Cluster) -> None:
    assert await fx.run_dist(echo(1), backend=kept, run_id="known") == fx.Ok(1)
    with pytest.raises(Exception, match="run known belongs to another program: give a new run id"):
        await fx.run_dist(echo(1).map(str), backend=kept, run_id="known")
    assert await fx.run_dist(echo(1), backend=kept, run_id="known") == fx.Ok(1)


async def test_a_child_that_lives_in_one_process(kept: fx.Cluster) -> None:
    program: Any = fx.for_each_par([1, 2], fx.succeed, 2)
    with pytest.raises(TypeError, match="runs in one process, so run_dist refuses it: use fx"):
        await fx.run_dist(program, backend=kept)
    assert await fx.run_memory(program) == fx.Ok([1, 2])


def test_two_tasks_of_one_id() -> None:
    with pytest.raises(ValueError, match=r"two tasks have the id faults::work: .*; rename one"):

        @fx.task(work.id)
        async def another() -> None: ...


@pytest.mark.parametrize("prefix", ["engine", "iii", "state", "queue", "configuration", "agentfx"])
def test_reserved_ids(prefix: str) -> None:
    with pytest.raises(ValueError, match=f"ids that start with {prefix}:: are reserved: choose"):

        @fx.task(f"{prefix}::mine")
        async def mine() -> None: ...


async def test_an_id_that_another_worker_has(kept: fx.Cluster) -> None:
    """Its calls from outside stay that worker's; runs find the task all the same."""
    async with fx.connect(url=kept.url, token=kept.token) as other:

        async def serve(data: Any) -> Any:
            return "theirs"

        other.connection.serve("mistakes::both", serve)

        @fx.task("mistakes::both")
        async def both() -> str:
            return "ours"

        assert await fx.run_dist(both(), backend=kept) == fx.Ok("ours")
        assert await kept.connection.call("mistakes::both", {}) == "theirs"
