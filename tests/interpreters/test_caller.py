"""Where capabilities run, and programs in cells that cannot await."""

import asyncio
import subprocess
import sys
import threading
from abc import abstractmethod

import pytest

import agentfx as fx
from agentfx.interpreters import caller_loop, run_memory


class Where(fx.Capability):
    @abstractmethod
    async def thread(self) -> str: ...


class Here(Where):
    async def thread(self) -> str:
        return f"{threading.current_thread().name} {fx.step_key() != ''}"


async def test_a_capability_runs_on_the_loop_of_its_owner_and_knows_its_step() -> None:
    mine = asyncio.get_running_loop()

    async def drive() -> fx.Exit[str]:
        caller_loop.set(mine)
        return await run_memory(Where.call(Where.thread), Where.of(Here()))

    exit_ = await asyncio.to_thread(lambda: asyncio.run(drive()))
    assert exit_ == fx.Ok(f"{threading.current_thread().name} True")


@pytest.mark.parametrize("stubborn", [False, True])
async def test_cancelled_work_on_another_loop_has_ended_before_its_run_goes_on(
    stubborn: bool,
) -> None:
    mine, log, begun = asyncio.get_running_loop(), list[str](), threading.Event()

    async def work() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            log.append("cleaned up")
            if not stubborn:
                raise
        return "all the same"

    async def end() -> None:
        log.append("finalizer")

    async def drive() -> object:
        caller_loop.set(mine)
        program = fx.attempt(work).ensuring(fx.attempt(end))
        running = asyncio.ensure_future(run_memory(program))
        await asyncio.to_thread(begun.wait)
        running.cancel()
        return (await asyncio.gather(running, return_exceptions=True))[0]

    ended = await asyncio.to_thread(lambda: asyncio.run(drive()))
    assert log == ["cleaned up", "finalizer"]
    assert ended == fx.Ok("all the same") if stubborn else isinstance(ended, asyncio.CancelledError)


async def test_without_an_owner_it_runs_where_the_program_is_driven() -> None:
    exit_ = await asyncio.to_thread(
        lambda: fx.run_memory_sync(Where.call(Where.thread), Where.of(Here()))
    )
    assert exit_ != fx.Ok(f"{threading.current_thread().name} True")


NESTED = """
import asyncio, threading
import agentfx as fx
from abc import abstractmethod

class Lock(fx.Capability):
    @abstractmethod
    async def take(self) -> str: ...

class Real(Lock):
    def __init__(self):
        self.future = asyncio.get_running_loop().create_future()
    async def take(self) -> str:
        asyncio.get_running_loop().call_soon(self.future.set_result, "taken")
        return await self.future

async def cell():
    return fx.run_memory_sync(Lock.call(Lock.take), Lock.of(Real()), loop="kernel")

print(asyncio.run(cell()))
"""

PLAIN = """
import asyncio
import agentfx as fx
asyncio._nest_patched = True

async def cell():
    try:
        fx.run_memory_sync(fx.succeed(1), loop="kernel")
    except Exception as error:
        print(type(error).__name__, error)

asyncio.run(cell())
"""


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_program_can_use_what_is_bound_to_the_loop_that_runs() -> None:
    # In a process of its own: nest-asyncio2 patches asyncio for good.
    assert _run(NESTED) == "Ok(value='taken')\n"


def test_plain_nest_asyncio_is_refused_because_it_loses_clicks() -> None:
    assert _run(PLAIN).startswith("NestedLoopError plain nest_asyncio is patched in")
