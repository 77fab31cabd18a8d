"""What tasks print, on its way to whoever watches: labelled with the job."""

import contextvars
import io
import sys
import threading
from collections.abc import Callable
from typing import TextIO

printing_job: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "agentfx_printing_job", default=None
)
"""The job whose code is running, if any; threads that a task starts inherit it not."""

HELD_BACK_CHARACTERS = 1_000_000


class Outputs:
    """Collects text by job; handed over in the order in which it was written."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []
        self._size = 0
        self._lock = threading.Lock()

    def add(self, job: str, text: str) -> None:
        """Take some text; beyond a bound it is dropped rather than held."""
        with self._lock:
            if self._size < HELD_BACK_CHARACTERS:
                self._lines.append((job, text))
                self._size += len(text)

    def take(self) -> list[tuple[str, str]]:
        """All text since the last time, joined where one job wrote several times in a row."""
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
        joined: list[tuple[str, str]] = []
        for job, text in lines:
            if joined and joined[-1][0] == job:
                joined[-1] = (job, joined[-1][1] + text)
            else:
                joined.append((job, text))
        return joined


class _Stream(io.TextIOBase):
    """Standard output: of a task's code to `Outputs`, of all other code to where it went."""

    def __init__(self, real: TextIO, add: Callable[[str, str], None]) -> None:
        self._real, self._add = real, add

    def write(self, text: str) -> int:
        job = printing_job.get()
        if job is None:
            self._real.write(text)
        else:
            self._add(job, text)
        return len(text)

    def flush(self) -> None:
        self._real.flush()

    def fileno(self) -> int:
        return self._real.fileno()


def capture(outputs: Outputs) -> None:
    """Send what tasks write to `sys.stdout` and `sys.stderr` to `outputs`."""
    sys.stdout = _Stream(sys.stdout, outputs.add)
    sys.stderr = _Stream(sys.stderr, outputs.add)
