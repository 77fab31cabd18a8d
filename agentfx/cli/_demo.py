"""`agentfx demo`: the walkthroughs in a terminal."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated

import typer

from agentfx.cli._app import app, run
from agentfx.cli._harness import ModelOption, need_key

demo_app = typer.Typer(help="See a crash survived.", no_args_is_help=True)
app.add_typer(demo_app, name="demo")


@demo_app.callback()
def _group() -> None:
    """See a crash survived."""


@demo_app.command()
def fanout(
    svg: Annotated[
        Path | None, typer.Option(help="Keep what is shown as a picture in this file.")
    ] = None,
) -> None:
    """Measure the standard library on two workers, kill one, and finish all the same."""
    from agentfx.cli._demo_fanout import fanout

    _hold(lambda: fanout(svg))


@demo_app.command()
def harness(model: ModelOption = "stub") -> None:
    """Kill -9 an agent's worker in the middle of its first tool; another one goes on."""
    from agentfx.cli._demo_harness import crash_proof

    need_key(model)
    _hold(lambda: crash_proof(model))


@demo_app.command()
def agent() -> None:
    """The agent's loop as a program in the driver, in memory and on two workers."""
    from agentfx.cli._demo_harness import in_the_driver

    _hold(in_the_driver)


@demo_app.command("preempt-agent")
def preempt_agent() -> None:
    """A message that overtakes a turn: only the newest message's tool fires."""
    from agentfx.cli._demo_harness import overtake

    _hold(overtake)


@demo_app.command()
def preempt() -> None:
    """Ask three questions in a hurry; only the answer to the last one may be sent."""
    from agentfx.cli._demo_preempt import preempt

    _hold(preempt)


def _hold(demonstrate: Callable[[], Coroutine[None, None, bool]]) -> None:
    """Status 0 if what the demonstration claims holds, else 1."""
    if not run(demonstrate):
        raise typer.Exit(1)
