"""Commands about runs: run, resume, cancel, runs, events."""

import json
import shlex
import sys
from collections.abc import Callable, Coroutine
from contextlib import redirect_stdout
from secrets import token_hex
from typing import Annotated, Any

import typer

from agentfx._clock import SystemClock
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
from agentfx.cli._output import shown_output
from agentfx.cli._show import err, out, show, show_line
from agentfx.interpreters import run_events, run_memory
from agentfx.jobs import new_run_id

runs_app = typer.Typer(help="List runs, or prune old ones.", invoke_without_command=True)
app.add_typer(runs_app, name="runs")
RUN_COLUMNS = ("id", "status", "program", "driven", "started_at", "ended_at")
EVENT_WIDTHS = {
    "seq": 6, "type": 13, "path": 8, "task": 16, "worker": 6, "delivery": 8, "ms": 8, "error": 5,
    "label": 5,
}  # fmt: skip
EVENT_COLUMNS = tuple(EVENT_WIDTHS)


@app.command("run")
def run_program(
    program: Annotated[str, typer.Argument(help="MODULE:PROGRAM, or a function that makes it.")],
    memory: Annotated[bool, typer.Option("--memory", help="Run in this process.")] = False,
    dist: Annotated[bool, typer.Option("--dist", help="Run on an engine (the default).")] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Workers of a cluster started for this run.")
    ] = 2,
    run_id: Annotated[str | None, typer.Option("--run-id", help="Of a new or a known run.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start a known run over.")] = False,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Run a program to its end; status 0 if it succeeds, 2 if it fails."""
    if memory and (dist or run_id or fresh):
        raise typer.BadParameter("--memory keeps no record: leave out --dist, --run-id and --fresh")
    if run_id == "":
        raise typer.BadParameter("--run-id is empty: name the run, or leave it out for a new one")
    effect = _program(program)
    if memory:
        _finish(_driven(lambda: run_memory(effect)), as_json=as_json)
        return
    where, chosen = Where.of(url, token, home), run_id or _new_id()
    again = _command("run", program, "--run-id", chosen, url=url, home=home)

    async def go() -> Exit[Any, Any]:
        from agentfx.cluster import run_dist

        async with (
            engine_of(where, workers=workers, anew=workers > 0) as engine,
            shown_output(engine, chosen),
        ):
            return await run_dist(effect, backend=engine, run_id=chosen, fresh=fresh)

    _finish(_driven(go, f"interrupted; to go on with it: {again}"), as_json=as_json)


@app.command("resume")
def resume_run(
    run_id: Annotated[str, typer.Argument(help="As `agentfx runs` lists it.")],
    program: Annotated[str | None, typer.Argument(help="MODULE:PROGRAM, if not stored.")] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Workers of a cluster started for this run.")
    ] = 2,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a run; finished steps are not run again."""
    _import_from_here()
    effect = _program(program) if program else None
    named = [program] if program else []
    again = _command("resume", run_id, *named, url=url, home=home)

    async def go() -> Exit[Any, Any]:
        from agentfx.cluster import resume

        async with (
            engine_of(Where.of(url, token, home), workers=workers) as engine,
            shown_output(engine, run_id),
        ):
            return await resume(run_id, effect, backend=engine)

    _finish(_driven(go, f"interrupted; to go on with it: {again}"), as_json=as_json)


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
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand is None:
        rows = ask(Where.of(url, token, home), "runs::list", {"limit": limit})
        show(rows, RUN_COLUMNS, as_json=as_json)


@runs_app.command("prune")
def prune_runs(
    keep: Annotated[int, typer.Option(min=0, help="Ended runs to keep.")] = 1000,
    days: Annotated[float, typer.Option(min=0.0, help="Keep none that ended longer ago.")] = 7.0,
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
    follow: Annotated[
        bool, typer.Option("--follow", help="A line for each, until the run ends.")
    ] = False,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """What happened in a run."""
    where = Where.of(url, token, home)
    if follow:
        run(lambda: _follow(where, run_id, as_json=as_json), interrupted="no longer followed")
        return
    rows = run(lambda: _events(where, run_id))
    show(rows if as_json else map(_readable, rows), EVENT_COLUMNS, as_json=as_json)


def _readable(event: dict[str, Any]) -> dict[str, Any]:
    from agentfx.jobs._event import readable

    return {**event, "label": readable(event.get("label"))}


async def _events(where: Where, run_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with engine_of(where) as engine:
        after = 0
        while page := await engine.request("run::events", {"run": run_id, "after": after}):
            rows += page
            after = page[-1]["seq"]
    # Workers came and went before it began, too.
    begun = next((at for at, row in enumerate(rows) if row["type"] == "run_started"), 0)
    return rows[begun:]


async def _follow(where: Where, run_id: str, *, as_json: bool) -> None:
    """Each event as a line, as it happens."""
    begun = False
    async with engine_of(where) as engine:
        if not as_json:
            show_line(dict(zip(EVENT_COLUMNS, EVENT_COLUMNS, strict=True)), EVENT_WIDTHS)
        async for event in run_events(engine, run_id):
            begun = begun or event.type == "run_started"
            row = event.model_dump(exclude_none=True)
            if begun and as_json:
                out.print(json.dumps(row), soft_wrap=True)
            elif begun:
                show_line(_readable(row), EVENT_WIDTHS)


def _program(name: str) -> AnyEffect:
    """The program of a name; modules of the working folder can be named, as with `python -m`."""
    from agentfx.cluster import load_program

    _import_from_here()
    return load_program(name)


def _import_from_here() -> None:
    if "" not in sys.path:
        sys.path.insert(0, "")


def _new_id() -> str:
    """An id that is known before the run begins, so that Ctrl-C can name it."""
    return new_run_id(SystemClock().wall(), token_hex(3))


def _command(*words: str, url: str | None, home: str | None) -> str:
    """A command to copy, for the same engine; a token is not shown."""
    more = [w for name, value in (("--url", url), ("--home", home)) if value for w in (name, value)]
    return shlex.join(["agentfx", *words, *more])


def _driven(
    make: Callable[[], Coroutine[Any, Any, Exit[Any, Any]]], interrupted: str = "interrupted"
) -> Exit[Any, Any]:
    """Drive a program to its end; what it prints is no result, so it goes to standard error."""
    with redirect_stdout(sys.stderr):
        return run(make, interrupted=interrupted)


def _finish(exit_: Exit[Any, Any], *, as_json: bool) -> None:
    from pydantic_core import to_json

    if isinstance(exit_, Ok):
        value = exit_.value
        indent = None if as_json else 2
        text = to_json(value, fallback=repr, indent=indent, inf_nan_mode="strings").decode()
        out.print(text, soft_wrap=True)
        return
    if as_json:
        text = to_json({"error": type(exit_.error).__name__, "message": str(exit_.error)}).decode()
        out.print(text, soft_wrap=True)
    else:
        err.print(f"failed: {exit_.error!r}", style="red", soft_wrap=True)
        for note in getattr(exit_.error, "__notes__", ()):  # where in a task it happened
            err.print(note.rstrip(), soft_wrap=True)
    raise typer.Exit(2)
