"""A shell of IPython, without a kernel."""

import re
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


class Shell:
    """A shell, and what it says."""

    def __init__(self, shell: Any, capture: pytest.CaptureFixture[str]) -> None:
        self.shell, self._capture = shell, capture

    def run(self, code: str) -> Any:
        """The value of a cell that goes well."""
        done = self.shell.run_cell(code)
        done.raise_error()
        return done.result

    def said(self, code: str) -> str:
        """What is said of a cell that goes wrong: one line, without a trace."""
        self._capture.readouterr()
        done = self.shell.run_cell(code)
        assert not done.success
        out, err = self._capture.readouterr()
        connected = re.compile(r"agentfx: running on .*\n")  # said once
        text = connected.sub("", f"{out}{err}".strip())
        assert "Traceback" not in text
        assert text.startswith("UsageError: ")
        assert "\n" not in text, text
        return text.removeprefix("UsageError: ")

    def value(self, name: str) -> Any:
        """A variable of the user's."""
        return self.shell.user_ns[name]

    def completions(self, line: str) -> list[str]:
        """What the Tab key offers at the end of a line."""
        with provisionalcompleter():
            return [found.text for found in self.shell.Completer.completions(line, len(line))]


def new_shell() -> Any:
    """A shell that remembers nothing of this machine's user."""
    make: Any = InteractiveShell
    return make(config=Config({"HistoryManager": {"enabled": False}}), colors="nocolor")
