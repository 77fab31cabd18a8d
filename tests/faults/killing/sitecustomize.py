"""Points at which a process of a cluster kills itself, when a test asks for it.

Python imports this when it starts, if the folder is on `PYTHONPATH`; the product has no such
points. What is armed is one line in a file: `POINT before` or `POINT after`. The first process
that comes there takes the file away and is gone, as by SIGKILL.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

ARM = "AGENTFX_TEST_ARM"


def die(point: str, when: str) -> None:
    """End here, if this is what is armed."""
    arm = Path(os.environ[ARM])
    try:
        if arm.read_text() != f"{point} {when}":
            return
        arm.replace(arm.with_suffix(f".{os.getpid()}"))  # so that its end can be waited for
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _name(operation: Callable[..., Any]) -> str:
    """Of the method that writes, such as `Runs.submit`."""
    return operation.__qualname__.partition(".<locals>")[0]


def _watch_commits() -> None:
    """Before: the operation is done, and not committed. After: committed, and nobody told."""
    from agentfx.services import SqliteStore
    from agentfx.services._sqlite._writer import Writer

    write, hand_over = SqliteStore.write, Writer._hand_over
    committed: list[str] = []

    @wraps(write)
    def watched(store: SqliteStore, operation: Callable[[Any], Any]) -> Any:
        def then_die(t: Any) -> Any:
            result = operation(t)
            die(_name(operation), "before")
            committed.append(_name(operation))
            return result

        return write(store, then_die)

    @wraps(hand_over)
    def handed_over(writer: Writer, batch: Any, broken: Any) -> None:
        for point in committed:
            die(point, "after")
        committed.clear()
        hand_over(writer, batch, broken)

    for owner, method in ((SqliteStore, watched), (Writer, handed_over)):
        setattr(owner, method.__name__, method)


def _watch_workers() -> None:
    from agentfx.cluster._executor import Executor
    from agentfx.cluster._worker import _Worker

    for owner, name in ((Executor, "start"), (Executor, "confirm"), (_Worker, "_report")):
        setattr(owner, name, _watched(getattr(owner, name), f"{owner.__name__}.{name}"))


def _watched(method: Callable[..., Any], point: str) -> Callable[..., Any]:
    @wraps(method)
    def around(self: Any, argument: Any) -> Any:
        if argument:
            die(point, "before")
        result = method(self, argument)
        if argument:
            die(point, "after")
        return result

    return around


if os.environ.get(ARM):
    _watch_commits()
    _watch_workers()
