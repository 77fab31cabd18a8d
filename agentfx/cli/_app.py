"""The command line: one application, its options, and its errors."""

import asyncio
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Never, TypeVar

import typer

from agentfx._clock import SystemClock
from agentfx._errors import AgentfxError
from agentfx.cli._show import err
from agentfx.cluster import ClusterError, Engine, Home, find_engine, local, open_engine
from agentfx.interpreters import said_by_us, without_own_frames

T = TypeVar("T")

app = typer.Typer(
    name="agentfx",
    help="Durable programs from a small typed algebra of effects.",
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


@dataclass(frozen=True, slots=True)
class Where:
    """Which engine a command is for."""

    url: str | None
    token: str | None
    home: Home

    @classmethod
    def of(cls, url: str | None, token: str | None, home: str | None) -> "Where":
        """From the options of a command."""
        return cls(url, token, Home.of(home))


@asynccontextmanager
async def engine_of(where: Where, *, workers: int = 0) -> AsyncGenerator[Engine]:
    """The engine that runs; else one for this command alone, on the store of the home.

    Args:
        where: Which engine.
        workers: How many to start beside an engine that is started here.

    Raises:
        ClusterError: None is given, none runs, and there is neither a store nor work for one.
    """
    found = find_engine(where.url, where.token, where.home)
    if found is not None:
        async with await open_engine(found, SystemClock()) as engine:
            say(f"engine: {found.url} ({found.how}): {await engine.about()}")
            yield engine
        return
    if not workers and not where.home.store.exists():
        raise ClusterError(
            f"no engine: none runs in {where.home.path}, and III_URL is not set; start one with "
            "`agentfx up`"
        )
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


def run(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine; Ctrl-C ends it with one line."""
    return asyncio.run(make())


def main() -> None:
    """The `agentfx` command: a user's mistake is one line and status 1, never our traceback."""
    try:
        app()
    except AgentfxError as error:
        _end(str(error))
    except Exception as error:
        said = said_by_us(error)
        if said is not None:
            _end(said)
        traceback.print_exception(without_own_frames(error))  # a defect in the user's program
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("agentfx: interrupted")
        sys.exit(130)


def _end(line: str) -> Never:
    err.print(f"agentfx: {line}", style="red", soft_wrap=True)
    sys.exit(1)
