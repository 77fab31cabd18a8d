"""Why a process does not start: lines in the cluster's log, read by whoever asked for it."""

import sys
from pathlib import Path

from agentfx._errors import AgentfxError

_MARK = "agentfx: "


def say_why(error: AgentfxError) -> None:
    """Print an error's lines, so that `reasons` finds them."""
    for line in str(error).splitlines():
        print(_MARK + line, file=sys.stderr, flush=True)  # noqa: T201 - into the cluster's log


def reasons(log: Path, since: int) -> str:
    """What processes of a cluster said since their log had so many bytes; empty if nothing."""
    try:
        with log.open("rb") as file:
            file.seek(since)
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.removeprefix(_MARK) for line in text.splitlines() if line.startswith(_MARK)]
    return "\n".join(dict.fromkeys(lines))


def size_of(log: Path) -> int:
    """Bytes that a log has now."""
    return log.stat().st_size if log.exists() else 0
