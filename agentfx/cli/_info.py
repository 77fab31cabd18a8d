"""`version` and `doctor`."""

import os
import platform
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

import agentfx
from agentfx.cli._app import AsJson, HomeOption, Token, Url, Where, app
from agentfx.cli._show import show
from agentfx.cluster import find_engine

_PACKAGES = ("iii-sdk", "pydantic", "websockets", "ipykernel", "anywidget", "anthropic")
ENOUGH_BYTES = 200 * 1024 * 1024


@app.command("version")
def print_version(as_json: AsJson = False) -> None:
    """Print the versions of agentfx and of what it stands on."""
    rows = [{"package": "agentfx-kit", "version": agentfx.__version__}]
    rows += [{"package": name, "version": _version(name)} for name in _PACKAGES]
    rows += [
        {"package": "python", "version": platform.python_version()},
        {"package": "sqlite", "version": sqlite3.sqlite_version},
    ]
    show(rows, ("package", "version"), as_json=as_json)


@app.command()
def doctor(
    url: Url = None, token: Token = None, home: HomeOption = None, as_json: AsJson = False
) -> None:
    """Check everything that can be wrong, and say how to mend it."""
    rows = list(findings(Where.of(url, token, home)))
    show(rows, ("check", "ok", "found", "mend"), as_json=as_json)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def findings(where: Where) -> Iterator[dict[str, Any]]:
    """What was looked at: `check`, `ok`, `found`, and how to `mend` it."""
    yield from machine_findings(where)
    yield from _engine(where)


def machine_findings(where: Where) -> Iterator[dict[str, Any]]:
    """What was looked at on this machine, without the engine."""
    new_enough = sys.version_info >= (3, 11)
    yield _row("python", new_enough, platform.python_version(), "use Python 3.11 or newer")
    yield _row("iii SDK", bool(_version("iii-sdk")), _version("iii-sdk"), "pip install iii-sdk")
    yield _folder(where)
    yield _disk(where)
    yield _loopback()


def _row(check: str, ok: bool, found: str, mend: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "found": found, "mend": "" if ok else mend}


def _folder(where: Where) -> dict[str, Any]:
    path = where.home.path
    nearest = path if path.exists() else path.parent
    ok = os.access(nearest, os.W_OK)
    return _row("home folder", ok, str(path), "give --home a folder that you may write")


def _disk(where: Where) -> dict[str, Any]:
    nearest = next(p for p in (where.home.path, *where.home.path.parents) if p.exists())
    free = shutil.disk_usage(nearest).free
    mend = "make room: a full disk refuses work until there is some"
    return _row("disk", free > ENOUGH_BYTES, f"{free / 2**30:.1f} GiB free", mend)


def _loopback() -> dict[str, Any]:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return _row("loopback", False, str(error), "allow this user to listen on 127.0.0.1")
    return _row("loopback", True, "127.0.0.1", "")


def _engine(where: Where) -> Iterator[dict[str, Any]]:
    from agentfx._errors import AgentfxError
    from agentfx.cli._app import ask

    found = find_engine(where.url, where.token, where.home)
    if found is None:
        yield _row("engine", True, "none runs here; `agentfx up` starts one", "")
        return
    try:
        workers = ask(where, "workers::list", {})
    except AgentfxError as error:
        yield _row("engine", False, found.url, str(error))
        return
    yield _row("engine", True, f"{found.url} ({found.how})", "")
    labels = ", ".join(row["label"] for row in workers)
    mend = "start one: `agentfx worker --name w1 --tasks MODULE`"
    yield _row("workers", bool(workers), labels or "none", mend)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
