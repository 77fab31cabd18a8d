"""The `agentfx` command, in this process: as from a terminal, without another interpreter."""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentfx.cli import main


@dataclass(frozen=True)
class Said:
    """What a command came to.

    Attributes:
        lines: What it said on stderr, beside which engine it found.
    """

    status: int
    out: str
    lines: list[str]


class Command:
    """Runs the command in a folder of its own, without what the machine's user may have set."""

    def __init__(
        self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]
    ) -> None:
        self._patch, self._capture = patch, capture
        patch.chdir(folder)
        for name in ("III_URL", "III_TOKEN", "AGENTFX_HOME"):
            patch.delenv(name, raising=False)

    def __call__(self, *arguments: str, **variables: str) -> Said:
        """Run it to its end."""
        self._capture.readouterr()
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", ["agentfx", *arguments])
            for name, value in variables.items():
                patch.setenv(name, value)
            status = _status()
        out, err = self._capture.readouterr()
        lines = [line for line in err.splitlines() if not line.startswith("engine: ")]
        return Said(status, out, lines)

    def refused(self, *arguments: str, **variables: str) -> str:
        """The one line that it says instead of doing what it was asked."""
        said = self(*arguments, **variables)
        assert said.status == 1
        assert len(said.lines) == 1, said.lines
        start, _, text = said.lines[0].partition(": ")
        assert start == "agentfx"
        return text


def _status() -> int:
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0
