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
    model: ModelOption = "stub",
    tasks: Annotated[list[str] | None, typer.Option(help="Module with more agents.")] = None,
    slots: Annotated[int, typer.Option(help="Steps and tools at once.")] = 16,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Run a worker for agents, in the foreground; kill it, and another one goes on."""
    from agentfx.cluster import ClusterError, WorkerOptions, run_worker

    need_key(model)
    where = Where.of(url, token, home)
    found = where.engine()
    if found is None:
        raise ClusterError("no engine: give --url, set III_URL, or start one with `agentfx up`")
    say(f"engine: {found.url} ({found.how})")
    options = WorkerOptions(
        name, found.url, found.token, slots, [MODULES[model], *(tasks or [])],
        home=str(found.home.path) if found.home is not None else None, path=[""],
    )  # fmt: skip
    raise typer.Exit(run_worker(options))


def need_key(model: ModelName) -> None:
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
