"""Which task has which id in this process."""

from collections.abc import Iterator
from typing import Any, Protocol

RESERVED = ("engine::", "iii::", "state::", "queue::", "configuration::", "agentfx::")
"""Prefixes of ids that engines and services keep for themselves."""


class Registered(Protocol):
    """What the registry needs of a task."""

    id: str
    function: Any


_tasks: dict[str, Registered] = {}


def register(task: Registered) -> None:
    """Make a task known by its id.

    The same name in the same module, or in `__main__`, replaces the earlier one: a cell that
    is run again.

    Raises:
        ValueError: The id is empty or reserved, or another task has it.
    """
    _check(task.id)
    known = _tasks.get(task.id)
    if known is not None and not _replaces(task, known):
        raise ValueError(
            f"two tasks have the id {task.id}: {_place(known)} and {_place(task)}; rename one"
        )
    _tasks[task.id] = task


def task_named(task_id: str) -> Registered | None:
    """The task with this id, None if this process knows none."""
    return _tasks.get(task_id)


def tasks() -> Iterator[Registered]:
    """All tasks of this process."""
    return iter(tuple(_tasks.values()))


def _check(task_id: str) -> None:
    if not task_id.strip() or task_id != task_id.strip():
        raise ValueError(f"a task's id is a name such as docs::fetch, not {task_id!r}")
    for prefix in RESERVED:
        if task_id.startswith(prefix):
            raise ValueError(
                f"ids that start with {prefix} are reserved: choose another for {task_id}"
            )


def _replaces(task: Registered, known: Registered) -> bool:
    new, old = task.function, known.function
    same_module: bool = new.__module__ == old.__module__
    same_name: bool = new.__qualname__ == old.__qualname__
    return same_module and (same_name or new.__module__ == "__main__")


def _place(task: Registered) -> str:
    return f"{task.function.__module__}.{task.function.__qualname__}"
