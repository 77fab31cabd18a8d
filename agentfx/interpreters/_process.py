"""Functions in processes of their own, which can be killed when their time is over.

A child serves one call at a time and is kept for the next. It reads frames from its standard
input; when that ends its parent is gone, however it ended, and so does the child.
"""

import asyncio
import pickle
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentfx.interpreters._by_value import dumps

_HEADER = struct.Struct("!cI")
_idle: list["_Child"] = []


async def run_in_process(function: Callable[[], Any]) -> Any:
    """Run a function in another process; a cancelled caller kills it.

    Raises:
        ChildDiedError: The process ended before the function did.
    """
    child = await _take()
    try:
        result = await child.call(function)
    except BaseException:
        await child.end()
        raise
    _idle.append(child)
    return result()


async def end_idle() -> None:
    """End the children that wait for work of the loop that runs; it is about to end."""
    loop = asyncio.get_running_loop()
    ours = [child for child in _idle if child.loop is loop]
    _idle[:] = [child for child in _idle if child.loop is not loop]
    for child in ours:
        await child.end()


class ChildDiedError(RuntimeError):
    """A task's own process ended: it was killed, or it called `os._exit`."""


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    loop: asyncio.AbstractEventLoop

    async def call(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Run a function there; the result returns its value or raises what it raised."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None  # noqa: S101 - it was opened with a pipe
        assert stdout is not None  # noqa: S101 - it was opened with a pipe
        payload = dumps((sys.path, function))
        stdin.write(_HEADER.pack(b"c", len(payload)) + payload)
        try:
            await stdin.drain()
            while True:
                kind, size = _HEADER.unpack(await stdout.readexactly(_HEADER.size))
                body = await stdout.readexactly(size)
                if kind == b"o":
                    sys.stdout.write(body.decode())
                    continue
                # From our own child over a private pipe.
                found: Callable[[], Any] = pickle.loads(body)  # noqa: S301
                return found
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self.process.wait()
            raise ChildDiedError(f"the task's process ended with status {code}") from None

    def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()

    async def end(self) -> None:
        """Kill it, and wait until it is gone: its place is free then, and its pipes are closed."""
        self.kill()
        await self.process.wait()


async def _take() -> _Child:
    loop = asyncio.get_running_loop()
    while _idle:
        child = _idle.pop()
        if child.loop is loop and child.process.returncode is None:
            return child
        if not child.loop.is_closed():
            child.kill()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agentfx.interpreters._process_child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    return _Child(process, loop)
