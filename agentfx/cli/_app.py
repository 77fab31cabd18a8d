"""The command line: one application, its options, and its errors.

Commands import what they need when they run, so that `--help` and `version` do not wait for it.
"""

import asyncio
import re
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Never, TypeVar

import typer

from agentfx._clock import SystemClock
from agentfx._errors import AgentfxError
from agentfx.cli._show import err
from agentfx.interpreters import said_by_us, without_own_frames

if TYPE_CHECKING:
    from agentfx.cluster import Engine, Found, Home

T = TypeVar("T")

app = typer.Typer(
    name="agentfx",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Url = Annotated[str | None, typer.Option("--url", help="Engine, such as ws://127.0.0.1:49134.")]
Token = Annotated[str | None, typer.Option("--token", help="Token for the engine.")]
HomeOption = Annotated[
    str | None, typer.Option("--home", help="Folder of the cluster; .agentfx without it.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


_TYPED = (
    (r"\bwith fresh=True", "with `agentfx run --fresh`"),
    (r"\bGive tasks= the module", "Give --tasks the module"),
    (r"\bresume\('(\S+)', program\)", r"`agentfx resume \1 MODULE:PROGRAM`"),
)
"""What errors suggest to who writes Python, and what it is called here."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which engine a command is for."""

    url: str | None
    token: str | None = field(repr=False)
    home: "Home"

    @classmethod
    def of(cls, url: str | None, token: str | None, home: str | None) -> "Where":
        """From the options of a command."""
        from agentfx.cluster import Home

        return cls(url, token, Home.of(home))

    def engine(self) -> "Found | None":
        """The engine that runs, None if none does."""
        from agentfx.cluster import find_engine

        return find_engine(self.url, self.token, self.home)

    def running(self) -> "Found":
        """The engine that runs.

        Raises:
            ClusterError: None is given, and none runs.
        """
        found = self.engine()
        if found is None:
            from agentfx.cluster import ClusterError

            raise ClusterError(
                f"no cluster runs in {self.home.path}, and III_URL is not set: start one with "
                "`agentfx up`, or give --url"
            )
        return found


@asynccontextmanager
async def engine_of(
    where: Where, *, workers: int = 0, anew: bool = False
) -> AsyncGenerator["Engine"]:
    """The engine that runs; else one for this command alone, on the store of the home.

    Args:
        where: Which engine.
        workers: How many to start beside an engine that is started here.
        anew: Whether there is work for an engine without a store yet.

    Raises:
        ClusterError: None is given, none runs, and there is neither a store nor work for one.
    """
    from agentfx.cluster import local, open_engine

    found = where.engine()
    if found is not None:
        async with await open_engine(found, SystemClock()) as engine:
            say(f"engine: {found.url} ({found.how}): {await engine.about()}")
            yield engine
        return
    if not anew and not where.home.store.exists():
        where.running()
    async with local(workers, home=str(where.home.path)) as cluster:
        say(f"engine: {cluster.url} (started for this command, store in {where.home.path})")
        yield cluster


def ask(where: Where, name: str, data: dict[str, Any]) -> Any:
    """Ask the services of an engine one thing."""

    async def go() -> Any:
        async with engine_of(where) as engine:
            return await engine.request(name, data)

    return run(go)


def say(text: str) -> None:
    """Tell people something beside the result, as one line."""
    err.print(text, style="dim", soft_wrap=True)


class _InterruptedError(Exception):
    """Ctrl-C; as an exception that typer lets through."""


def run(make: Callable[[], Coroutine[Any, Any, T]], *, interrupted: str = "interrupted") -> T:
    """Run a coroutine; Ctrl-C ends it with one line.

    Args:
        make: Makes the coroutine.
        interrupted: The line.
    """
    try:
        return asyncio.run(make())
    except KeyboardInterrupt:
        raise _InterruptedError(interrupted) from None


def main() -> None:
    """The `agentfx` command: a user's mistake is one line and status 1, never our traceback."""
    try:
        app()
    except _InterruptedError as error:
        _end(str(error), status=130)
    except AgentfxError as error:
        _end(_for_a_terminal(str(error)))
    except Exception as error:
        said = said_by_us(error)
        if said is not None:
            _end(said)
        traceback.print_exception(without_own_frames(error))  # a defect in the user's program
        sys.exit(1)


def _for_a_terminal(text: str) -> str:
    """What an error says, with commands and options where it names Python."""
    for python, typed in _TYPED:
        text = re.sub(python, typed, text)
    return text


def _end(line: str, status: int = 1) -> Never:
    err.print(f"agentfx: {line}", style="red", soft_wrap=True)
    sys.exit(status)
