"""What a task is given and how it ends: in memory, and on workers of a real cluster."""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

import agentfx as fx
from agentfx.algebra import LIMIT_BYTES, AnyEffect

pytestmark = pytest.mark.slow
Interpret = Callable[[AnyEffect], Awaitable[fx.Exit[Any, Any]]]


@pytest.fixture(params=["memory", "cluster"])
def interpret(request: pytest.FixtureRequest) -> Interpret:
    if request.param == "memory":
        return fx.run_memory
    cluster: fx.Cluster = request.getfixturevalue("cluster")

    async def dist(program: AnyEffect) -> fx.Exit[Any, Any]:
        return await fx.run_dist(program, backend=cluster)

    return dist


class Where(BaseModel):
    pid: int
    thread: str
    context: tuple[str, int, int, str, str]


class Boom(fx.Failure):
    n: int


def _where(ctx: fx.TaskContext) -> Where:
    told = (ctx.idempotency_key, ctx.attempt, ctx.delivery, ctx.worker, ctx.run_id)
    return Where(pid=os.getpid(), thread=threading.current_thread().name, context=told)


@fx.task("kinds::on_the_loop")
async def on_the_loop(ctx: fx.TaskContext) -> Where:
    return _where(ctx)


@fx.task("kinds::in_a_thread")
def in_a_thread(ctx: fx.TaskContext) -> Where:
    return _where(ctx)


@fx.task("kinds::in_a_process", process=True)
def in_a_process(ctx: fx.TaskContext) -> Where:
    return _where(ctx)


@fx.task("kinds::boom_in_a_process", raises=Boom, process=True)
def boom_in_a_process(n: int) -> int:
    raise Boom(n=n)


@fx.task("kinds::dies", process=True)
def dies() -> int:
    os._exit(3)


@fx.task("kinds::slow_on_the_loop", timeout=0.05)
async def slow_on_the_loop() -> int:
    await asyncio.Event().wait()
    return 0


@fx.task("kinds::slow_in_a_process", timeout=0.3, process=True)
def slow_in_a_process() -> int:
    time.sleep(60)
    return 0


@fx.task("kinds::order", key=("order",))
async def order(
    ctx: fx.TaskContext, order: Annotated[int, Field(ge=1)], note: str = ""
) -> tuple[str, int]:
    return ctx.idempotency_key, order


@fx.task("kinds::lies")
async def lies(value: int | str) -> Annotated[int, Field(lt=10)]:
    return value  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@fx.task("kinds::fill")
async def fill(size: int) -> str:
    return "x" * size


@fx.task("kinds::nan")
async def nan() -> float:
    return float("nan")


@fx.task("kinds::talks")
def talks(word: str) -> int:
    sys.stdout.write(f"printed {word}\n")
    sys.stderr.write(f"complained {word}\n")
    logging.getLogger("kinds").warning("logged %s", word)
    return 1


async def test_where_each_kind_runs(interpret: Interpret) -> None:
    loop = (await interpret(on_the_loop())).unwrap()
    thread = (await interpret(in_a_thread())).unwrap()
    process = (await interpret(in_a_process())).unwrap()
    assert thread.thread == "agentfx-task"
    assert loop.thread != "agentfx-task"
    assert process.pid not in (loop.pid, thread.pid, os.getpid())


@pytest.mark.parametrize("kind", [on_the_loop, in_a_thread, in_a_process], ids=lambda t: t.id)
async def test_the_context_tells_of_the_call(interpret: Interpret, kind: Any) -> None:
    key, attempt, delivery, worker, run = (await interpret(kind())).unwrap().context
    assert key
    assert run
    assert (attempt, delivery) == (1, 1)
    assert worker in ("memory", "w1", "w2")


async def test_a_failure_crosses_processes(interpret: Interpret) -> None:
    assert await interpret(boom_in_a_process(3)) == fx.Err(Boom(n=3))


async def test_a_process_that_dies_is_a_crash(interpret: Interpret) -> None:
    exit_ = await interpret(dies())
    assert isinstance(exit_, fx.Err)
    assert exit_.error == fx.TaskError(
        task="kinds::dies",
        reason="crashed",
        message="ChildDiedError: the task's process ended with status 3",
    )


@pytest.mark.parametrize(
    ("program", "seconds"), [(slow_on_the_loop(), "0.05"), (slow_in_a_process(), "0.3")], ids=repr
)
async def test_a_task_has_a_limit(
    interpret: Interpret, program: fx.Effect[int, fx.TaskError], seconds: str
) -> None:
    exit_ = await interpret(program)
    assert isinstance(exit_, fx.Err)
    assert (exit_.error.reason, exit_.error.message) == ("timeout", f"not done within {seconds} s")


async def test_the_key_is_of_the_declared_parameters_alone(interpret: Interpret) -> None:
    both = order(7).zip(order(order=7, note="other")).zip(order(8))
    ((first, _), (second, _)), (third, _) = (await interpret(both)).unwrap()
    assert first == second
    assert first != third


def _recovered(error: fx.ContractViolation) -> fx.Effect[str]:
    kind, place, _ = error.errors[0]
    return fx.succeed(f"{error.where} {kind} {place}")


async def test_a_violation_is_a_failure_and_can_be_caught(interpret: Interpret) -> None:
    caught = fx.on(fx.ContractViolation).do(_recovered)
    wrong_input = order(0).catch(caught)
    assert await interpret(wrong_input) == fx.Ok("input greater_than_equal ('order',)")
    assert await interpret(lies(10).catch(caught)) == fx.Ok("output less_than ()")
    assert await interpret(lies("ten").catch(caught)) == fx.Ok("output int_parsing ()")


async def test_what_does_not_fit_is_refused(interpret: Interpret) -> None:
    large = await interpret(fill(LIMIT_BYTES + 1))
    assert isinstance(large, fx.Err)
    assert large.error.reason == "too_large"
    sent = await interpret(lies("x" * (LIMIT_BYTES + 1)))
    assert isinstance(sent, fx.Err)
    assert sent.error.reason == "too_large"
    none = await interpret(nan())
    assert isinstance(none, fx.Err)
    assert none.error.reason == "unserializable"
    assert await interpret(fill(1000).map(len)) == fx.Ok(1000)


async def test_what_a_task_says_reaches_whoever_watches(cluster: fx.Cluster) -> None:
    run = await fx.start(talks("hello"), backend=cluster)
    said = [event async for event in run.events() if event.type == "output"]
    text = "".join(event.label or "" for event in said)
    assert "printed hello" in text
    assert "complained hello" in text
    assert "logged hello" in text
    assert {event.task for event in said} == {"kinds::talks"}
    assert {event.worker for event in said} <= {"w1", "w2"}
