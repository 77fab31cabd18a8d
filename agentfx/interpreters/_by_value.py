"""Pickling of functions by value, for processes of our own on this machine."""

import dataclasses
import io
import sys
from typing import Any

from agentfx.algebra import AnyTask, is_task


def dumps(value: Any) -> bytes:
    """Pickle a value; functions, classes and tasks of `__main__` go along whole.

    What a function captures goes along as well, secrets of a notebook included.
    """
    import cloudpickle  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            if obj is dataclasses.MISSING:  # compared by identity, so it must stay the same object
                return getattr, (dataclasses, "MISSING")
            if is_task(obj) and not is_importable(obj):
                return obj.by_value() or (remake, (type(obj), obj.id, obj.function, obj.options))
            return super().reducer_override(obj)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    buffer = io.BytesIO()
    Pickler(buffer).dump(value)  # pyright: ignore[reportUnknownMemberType]
    return buffer.getvalue()


def remake(kind: type[AnyTask], function_id: str, function: Any, options: Any) -> AnyTask:
    """A task from its parts, where it was unpickled."""
    return kind(function_id, function, options)


def is_importable(task: AnyTask) -> bool:
    """Whether another process finds a task by its module and name."""
    module = task.function.__module__
    if module == "__main__" or module not in sys.modules:
        return False
    found: Any = sys.modules[module]
    for part in task.function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is task
