"""`agentfx harness`: a worker for agents."""

import os
from typing import Annotated, Literal

import typer

from agentfx.cli._app import HomeOption, Token, Url, Where, app, say

ModelName = Literal["stub", "claude"]
ModelOption = Annotated[ModelName, typer.Option("--model", help="Which model answers.")]
MODULES = {"stub": "agentfx.demos._calc", "claude": "agentfx.demos._claude"}


@app.command("harness")
def harness_worker(
    name: Annotated[str, typer.Option(help="Label, such as w1.")],
    model: Annotated[
        ModelName | None,
        typer.Option(
            help="Bring the demonstration's agent, with this model; stub without --tasks."
        ),
    ] = None,
    tasks: Annotated[list[str] | None, typer.Option(help="Module with agents.")] = None,
    slots: Annotated[int, typer.Option(min=1, help="Steps and tools at once.")] = 16,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Run a worker for agents, in the foreground; kill it, and another one goes on."""
    from agentfx.cluster import WorkerOptions, run_worker

    if model is None and not tasks:
        model = "stub"
    modules = [*([MODULES[model]] if model else []), *(tasks or [])]
    need_key(model)
    where = Where.of(url, token, home)
    found = where.running()
    say(f"engine: {found.url} ({found.how})")
    options = WorkerOptions(
        name, found.url, found.token, slots, modules,
        home=str(found.home.path) if found.home is not None else None, path=[""],
    )  # fmt: skip
    raise typer.Exit(run_worker(options))


def need_key(model: ModelName | None) -> None:
    """Refuse Claude without a key.

    Raises:
        SessionError: There is none.
    """
    from agentfx.harness import SessionError

    if model == "claude" and not os.environ.get("ANTHROPIC_API_KEY"):
        raise SessionError(
            "ANTHROPIC_API_KEY is not set: export it where the worker is started, or use "
            "--model stub"
        )
