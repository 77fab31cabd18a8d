"""What tasks print, as it happens: on standard error, each line behind its worker's label."""

import asyncio
import re
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agentfx.cli._show import visible
from agentfx.interpreters import BackendLostError

if TYPE_CHECKING:
    from agentfx.cluster import Engine

WAIT_SECONDS = 5.0
REST_SECONDS = 0.5
"""How long the rest of a line is waited for, before what there is of it is shown."""
_LINE_END = re.compile(r"\r\n|\n|\r")


@asynccontextmanager
async def shown_output(engine: "Engine", run_id: str) -> AsyncGenerator[None]:
    """Show what tasks of a run print from now on, until the block ends, all of it.

    Args:
        engine: Where it runs.
        run_id: Of a known run, or of one that the block begins.
    """
    output = _Output(engine, run_id)
    await output.begin()
    following = asyncio.create_task(output.follow())
    try:
        try:
            yield
        finally:
            following.cancel()
            await asyncio.wait([following])
    except BackendLostError:
        raise  # there is nobody to ask for the rest
    except Exception:
        await output.finish()
        raise
    await output.finish()


class _Output:
    """Puts lines together: they come in pieces, of several jobs at once."""

    def __init__(self, engine: "Engine", run_id: str) -> None:
        self._engine, self._run = engine, run_id
        self._after: int | None = None
        self._begun: dict[tuple[str, str], str] = {}  # lines without an end, by worker and job
        self._shown: set[tuple[str, str]] = set()  # those that wait for their end alone

    async def begin(self) -> None:
        await self._read(0.0)

    async def follow(self) -> None:
        while True:
            if not await self._read(REST_SECONDS if self._begun else WAIT_SECONDS):
                self._show_begun()

    async def finish(self) -> None:
        while await self._read(0.0):
            pass
        self._show_begun()

    async def _read(self, wait_seconds: float) -> bool:
        message = {"run": self._run, "after": self._after, "wait_seconds": wait_seconds}
        told = await self._engine.request("run::output", message)
        self._after = told["after"]
        _print([line for piece in told["pieces"] for line in self._lines(*piece)])
        return bool(told["pieces"])

    def _lines(self, worker: str, job: str, text: str) -> list[str]:
        """The lines that a piece of text completes."""
        key = worker, job
        *ended, begun = _LINE_END.split(self._begun.pop(key, "") + text)
        if key in self._shown:
            self._shown.discard(key)
            if ended and not ended[0]:
                del ended[0]
        if begun:
            self._begun[key] = begun
        return [f"{worker} | {line}" for line in ended]

    def _show_begun(self) -> None:
        begun, self._begun = self._begun, {}
        self._shown.update(begun)
        _print([f"{worker} | {text}" for (worker, _), text in begun.items()])


def _print(lines: Iterable[str]) -> None:
    text = "".join(f"{visible(line)}\n" for line in lines)
    if text:
        sys.stderr.write(text)
        sys.stderr.flush()
