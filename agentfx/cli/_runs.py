"""Commands about runs: run, resume, cancel, runs, events."""

import sys
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from agentfx.algebra import AnyEffect, Exit, Ok
from agentfx.cli._app import (
    AsJson,
    HomeOption,
    Token,
    Url,
    Where,
    app,
    ask,
    engine_of,
    run,
)
from agentfx.cli._show import err, out, show
from agentfx.cluster import load_program, resume, run_dist
from agentfx.interpreters import run_events, run_memory

runs_app = typer.Typer(help="List runs, or prune old ones.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")
RUN_COLUMNS = ("id", "status", "program", "driven", "started_at", "ended_at")
EVENT_COLUMNS = ("seq", "type", "path", "task", "worker", "delivery", "ms", "error", "label")


@app.command("run")
def run_program(
    program: Annotated[str, typer.Argument(help="MODULE:PROGRAM, or a function that makes it.")],
    memory: Annotated[bool, typer.Option("--memory", help="Run in this process.")] = False,
    dist: Annotated[bool, typer.Option("--dist", help="Run on an engine (the default).")] = False,
    workers: Annotated[int, typer.Option(help="Workers of a cluster started for this run.")] = 2,
    run_id: Annotated[str | None, typer.Option("--run-id", help="Of a new or a known run.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a known run over.")] = False,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Run a program to its end; status 0 if it succeeds, 2 if it fails."""
    if memory and dist:
        raise typer.BadParameter("give --memory or --dist, not both")
    _import_from_here()
    effect = load_program(program)
    if memory:
        _finish(run(lambda: run_memory(effect)), as_json=as_json)
        return
    where = Where.of(url, token, home)
    _finish(run(lambda: _run(effect, where, workers, run_id, fresh=fresh)), as_json=as_json)


async def _run(
    effect: AnyEffect, where: Where, workers: int, run_id: str | None, *, fresh: bool
) -> Exit[Any, Any]:
    async with engine_of(where, workers=workers) as engine:
        return await run_dist(effect, backend=engine, run_id=run_id, fresh=fresh)


@app.command("resume")
def resume_run(
    run_id: Annotated[str, typer.Argument(help="As `agentfx runs` lists it.")],
    program: Annotated[str | None, typer.Argument(help="MODULE:PROGRAM, if not stored.")] = None,
    workers: Annotated[int, typer.Option(help="Workers of a cluster started for this run.")] = 2,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run; finished steps are not run again."""
    _import_from_here()
    effect = load_program(program) if program else None

    async def go() -> Exit[Any, Any]:
        async with engine_of(Where.of(url, token, home), workers=workers) as engine:
            return await resume(run_id, effect, backend=engine)

    _finish(run(go), as_json=as_json)


@app.command("cancel")
def cancel_run(
    run_id: str,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Cancel a run: queued jobs are dropped, running ones asked to stop."""
    answer = ask(Where.of(url, token, home), "run::cancel", {"run": run_id})
    if not answer["cancelled"]:
        out.print(f"run {run_id} has ended already: {answer['status']}")
        return
    still = f"; {answer['running']} still run and were asked to stop" if answer["running"] else ""
    out.print(f"cancelled {run_id}: {answer['dropped']} jobs dropped{still}")


@runs_app.callback()
def list_runs(
    context: typer.Context,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand is None:
        rows = ask(Where.of(url, token, home), "runs::list", {"limit": limit})
        show(rows, RUN_COLUMNS, as_json=as_json)


@runs_app.command("prune")
def prune_runs(
    keep: Annotated[int, typer.Option(help="Ended runs to keep.")] = 1000,
    days: Annotated[float, typer.Option(help="Keep none that ended longer ago.")] = 7.0,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Delete ended runs beyond a number or an age."""
    gone = ask(Where.of(url, token, home), "runs::prune", {"keep": keep, "days": days})
    out.print(f"{gone} runs deleted")


@app.command("events")
def list_events(
    run_id: str,
    follow: Annotated[bool, typer.Option("--follow", help="Until the run ends.")] = False,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """What happened in a run."""
    where = Where.of(url, token, home)
    if follow:
        run(lambda: _follow(where, run_id))
        return
    show(run(lambda: _events(where, run_id)), EVENT_COLUMNS, as_json=as_json)


async def _events(where: Where, run_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with engine_of(where) as engine:
        after = 0
        while page := await engine.request("run::events", {"run": run_id, "after": after}):
            rows += page
            after = page[-1]["seq"]
    return rows


async def _follow(where: Where, run_id: str) -> None:
    async with engine_of(where) as engine:
        async for event in run_events(engine, run_id):
            out.print_json(event.model_dump_json(exclude_none=True), indent=None, ensure_ascii=True)


def _import_from_here() -> None:
    """Modules of the working folder can be named, as with `python -m`."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def _finish(exit_: Exit[Any, Any], *, as_json: bool) -> None:
    if isinstance(exit_, Ok):
        value = exit_.value
        text = to_json(value, fallback=repr, indent=None if as_json else 2).decode()
        out.print(text, soft_wrap=True)
        return
    if as_json:
        text = to_json({"error": type(exit_.error).__name__, "message": str(exit_.error)}).decode()
        out.print(text, soft_wrap=True)
    else:
        err.print(f"failed: {exit_.error!r}", style="red", soft_wrap=True)
    raise typer.Exit(2)
