"""`version` and `doctor`."""

import platform
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

import agentfx
from agentfx._clock import SystemClock
from agentfx._errors import AgentfxError
from agentfx._packages import installed
from agentfx.cli._app import AsJson, HomeOption, Token, Url, Where, app, run
from agentfx.cli._show import show

if TYPE_CHECKING:
    from agentfx.cluster import About, Finding, Found

_PACKAGES = ("iii-sdk", "pydantic", "websockets", "ipykernel", "anywidget", "anthropic")


@app.command("version")
def print_version(as_json: AsJson = False) -> None:
    """Print the versions of agentfx and of what it stands on."""
    import sqlite3

    rows = [{"package": "agentfx-kit", "version": agentfx.__version__}]
    rows += [{"package": name, "version": installed(name) or ""} for name in _PACKAGES]
    rows += [
        {"package": "python", "version": platform.python_version()},
        {"package": "sqlite", "version": sqlite3.sqlite_version},
    ]
    show(rows, ("package", "version"), as_json=as_json)


def _version_asked(asked: bool) -> None:
    if asked:
        print_version()
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version_asked, is_eager=True, help="As `version`."),
    ] = False,
) -> None:
    """Durable programs from a small typed algebra of effects."""


@app.command()
def doctor(
    url: Url = None, token: Token = None, home: HomeOption = None, as_json: AsJson = False
) -> None:
    """Check everything that can be wrong, and say how to mend it."""
    rows = [asdict(found) for found in findings(Where.of(url, token, home))]
    show(rows, ("check", "ok", "found", "mend"), as_json=as_json)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def findings(where: Where) -> "Iterator[Finding]":
    """What is looked at, on this machine and at its engine."""
    from agentfx.cluster import machine_findings

    yield from machine_findings(where.home)
    yield from _engine(where)


def _engine(where: Where) -> "Iterator[Finding]":
    from agentfx.cluster import Finding, finding

    found = where.engine()
    if found is None:
        yield Finding("engine", True, "none runs here; `agentfx up` starts one")
        return
    try:
        known, workers = run(lambda: _asked(found))
    except AgentfxError as error:
        yield Finding("engine", False, found.url, str(error))
        return
    yield Finding("engine", True, f"{found.url} ({found.how}): {known.engine}")
    mend = f"start them: `agentfx services --url {found.url}`"
    yield finding("services", known.services is not None, known.services or "none", mend)
    if known.services is None:
        return
    mend = "give the services a --home on a disk"
    yield finding("durability", known.lossy is None, known.lossy or "on a disk", mend)
    mend = "start one: `agentfx worker --name w1 --tasks MODULE`"
    yield finding("workers", bool(workers), ", ".join(workers) or "none", mend)


async def _asked(found: "Found") -> "tuple[About, list[str]]":
    """What an engine is, and the labels of the workers that its services have."""
    from agentfx.cluster import open_engine

    async with await open_engine(found, SystemClock()) as engine:
        known = await engine.about()
        if known.services is None:
            return known, []
        return known, [row["label"] for row in await engine.request("workers::list", {})]
