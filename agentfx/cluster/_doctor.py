"""What can be wrong on this machine, whoever asks: a terminal or a notebook."""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from agentfx._packages import installed
from agentfx.cluster._home import Home

ENOUGH_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What it is.
        ok: Whether it is as it should be.
        found: What was seen.
        mend: What to do about it; empty where nothing is to be done.
    """

    check: str
    ok: bool
    found: str
    mend: str = ""


def finding(check: str, ok: bool, found: str, mend: str) -> Finding:
    """A finding that names the mend only where one is needed."""
    return Finding(check, ok, found, "" if ok else mend)


def machine_findings(home: Home) -> Iterator[Finding]:
    """Python, the SDK, the folder, the disk, loopback; nothing of the engine."""
    new_enough = sys.version_info >= (3, 11)
    yield finding("python", new_enough, platform.python_version(), "use Python 3.11 or newer")
    sdk = installed("iii-sdk")
    yield finding("iii SDK", sdk is not None, sdk or "missing", "pip install iii-sdk")
    yield _folder(home)
    yield _disk(home)
    yield _loopback()


def _folder(home: Home) -> Finding:
    nearest = home.path if home.path.exists() else home.path.parent
    ok = os.access(nearest, os.W_OK)
    mend = "give --home a folder that you may write"
    return finding("home folder", ok, str(home.path), mend)


def _disk(home: Home) -> Finding:
    nearest = next(p for p in (home.path, *home.path.parents) if p.exists())
    free = shutil.disk_usage(nearest).free
    mend = "make room: a full disk refuses work until there is some"
    return finding("disk", free > ENOUGH_BYTES, f"{free / 2**30:.1f} GiB free", mend)


def _loopback() -> Finding:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
    except OSError as error:
        return Finding("loopback", False, str(error), "allow this user to listen on 127.0.0.1")
    return Finding("loopback", True, "127.0.0.1")
