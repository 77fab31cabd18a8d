"""Workers that are ended, or asked for once more, in the moment in which they are started."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentfx._clock import SystemClock
from agentfx.cluster import ControlError
from agentfx.cluster._control import User
from agentfx.cluster._fork_server import ForkServer
from agentfx.cluster._home import Home
from agentfx.cluster._port import free_port, hold_port
from agentfx.cluster._supervisor import Supervisor
from tests.waiting import DEADLINE_SECONDS, eventually


class Forks:
    """A supervisor whose fork server is the test: processes begin and end when it says so."""

    def __init__(self, supervisor: Supervisor, reader: asyncio.StreamReader, far: Any) -> None:
        self._supervisor, self._reader, self._far = supervisor, reader, far
        self.processes: list[subprocess.Popen[bytes]] = []

    def ask(self, op: str, **request: Any) -> "asyncio.Future[Any]":
        """Ask for something, and go on."""
        answer = self._supervisor._workers.answer(User(), op, {"op": op, **request})
        return asyncio.ensure_future(answer)

    async def asked(self) -> int:
        """Wait until a process is asked for; the number of the request."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return int(json.loads(await self._reader.readline())["id"])

    def begin(self, request: int) -> subprocess.Popen[bytes]:
        """Start a process, and say so."""
        process = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
        self.processes.append(process)
        self._say({"forked": request, "pid": process.pid})
        return process

    async def end(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a process has ended, and say so."""
        await eventually(lambda: process.poll() is not None)
        self._say({"ended": process.pid, "status": process.returncode})

    def _say(self, message: dict[str, Any]) -> None:
        self._far.sendall(json.dumps(message).encode() + b"\n")


@pytest.fixture
async def forks(tmp_path: Path) -> AsyncIterator[Forks]:
    near, far = socket.socketpair()
    server = ForkServer(0, near, 0)
    supervisor = Supervisor(Home(tmp_path), "ws://127.0.0.1:1", None, None, server, SystemClock())
    nursery = supervisor._nursery
    await nursery.start()
    reader, writer = await asyncio.open_connection(sock=far.dup())
    made = Forks(supervisor, reader, far)
    yield made
    for task in supervisor._watching:
        task.cancel()
    for process in made.processes:
        process.kill()
        process.wait()
    nursery._listening.cancel()
    for end in (writer, nursery._writer):
        end.close()
        await end.wait_closed()
    far.close()


@pytest.mark.parametrize("op", ["kill", "stop"])
async def test_a_worker_that_is_ended_while_it_is_started_again_does_not_stay(
    op: str, forks: Forks
) -> None:
    spawned = forks.ask("spawn", label="w1")
    first = forks.begin(await forks.asked())
    assert await spawned == "w1"
    first.kill()
    await forks.end(first)
    again = await forks.asked()
    ending = forks.ask(op, label="w1")
    await asyncio.sleep(0)
    second = forks.begin(again)
    await forks.end(second)
    assert second.returncode == -(signal.SIGKILL if op == "kill" else signal.SIGTERM)
    await ending
    assert await forks.ask("workers") == {}


async def test_of_two_that_ask_for_one_label_at_once_one_gets_it(forks: Forks) -> None:
    both = [forks.ask("spawn", label="w1") for _ in range(2)]
    forks.begin(await forks.asked())
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert answers[0] == "w1"
    assert isinstance(answers[1], ControlError)


async def test_a_foreign_worker_that_two_ask_for_at_once_is_shared(forks: Forks) -> None:
    both = [forks.ask("serve", label="one", command="x", folder="y") for _ in range(2)]
    process = forks.begin(await forks.asked())
    await asyncio.gather(*both)
    assert await forks.ask("workers") == {"one": process.pid}


def test_a_port_is_kept_for_its_engine_in_all_of_its_lives() -> None:
    with closing(free_port(None)) as held:
        again = free_port(held.number)
        again.close()
        for _ in range(2):
            with socket.create_server(("127.0.0.1", held.number)) as engine:
                assert hold_port(held.number) is None
                assert engine.getsockname()[1] == held.number
        if sys.platform == "linux":
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", held.number))
