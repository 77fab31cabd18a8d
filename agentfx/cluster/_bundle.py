"""Code of a driver for local workers: tasks of cells and of `__main__`, by value.

A bundle is a private file named by its hash. It is read only by processes of the same user on
the same machine, after its owner, mode and hash are checked; it never crosses the wire.
"""

import hashlib
import importlib
import os
import pickle
import re
import stat
import sys
from collections.abc import Iterable
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.algebra import AnyTask, is_task, tasks
from agentfx.cluster._home import Home, write_private
from agentfx.interpreters import dumps, is_importable

KEPT_SECONDS = 7 * 86_400.0
_NAME = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(rb"sk-ant-[A-Za-z0-9_-]{16,}")
_KEY_NAME = re.compile(r"(_API_KEY|_TOKEN|_SECRET)$")


class BundleError(AgentfxError):
    """A bundle of code is missing, is not ours, or does not load."""


def write_bundle(home: Home, given: Iterable[AnyTask] = ()) -> str | None:
    """Write this process's tasks for local workers; the version, None if there are none.

    Args:
        home: Of the cluster.
        given: Tasks beside those that this process has registered.
    """
    known = {task.id: task for task in tasks() if is_task(task)}
    known.update((task.id, task) for task in given)
    if not known:
        return None
    whole = [task for task in known.values() if not is_importable(task)]
    modules = sorted({t.function.__module__ for t in known.values() if is_importable(t)})
    data = dumps({"path": sys.path, "modules": modules, "tasks": dumps(whole)})
    _refuse_keys(data)
    name = hashlib.sha256(data).hexdigest()
    home.bundles.mkdir(mode=0o700, exist_ok=True)
    path = home.bundles / name
    if path.exists():
        os.utime(path)  # it is used again
    else:
        write_private(path, data)
    return f"{name}@{home.mark}"


def drop_forgotten(home: Home, now: float) -> None:
    """Delete what nobody brought for as long as runs are kept, where no services look after it.

    The services of an engine elsewhere know which runs need which code, but not this folder.

    Args:
        home: Of a driver.
        now: The time (wall).
    """
    if not home.store.exists():
        drop_bundles(home, set(), now - KEPT_SECONDS)


def drop_bundles(home: Home, kept: set[str], before: float) -> None:
    """Delete the bundles that no run needs, and that nobody brought after a time (wall)."""
    if not home.bundles.is_dir():
        return
    names = {code.partition("@")[0] for code in kept}
    for path in home.bundles.iterdir():
        if path.name not in names and path.lstat().st_mtime < before:
            path.unlink(missing_ok=True)


def load_bundle(home: Home, version: str) -> dict[str, AnyTask]:
    """The tasks of a bundle, by id.

    Raises:
        BundleError: It is missing, is not ours, or does not load.
    """
    content: dict[str, Any] = pickle.loads(_read(home, version.partition("@")[0]))  # noqa: S301 - ours: owner, mode and hash are checked
    for entry in content["path"]:
        if entry not in sys.path:
            sys.path.append(entry)
    try:
        found: dict[str, AnyTask] = {}
        for module in content["modules"]:
            found.update(tasks_of(module))
        for task in pickle.loads(content["tasks"]):  # noqa: S301 - from the same file
            found[task.id] = task
    except Exception as error:
        raise BundleError(
            f"the driver's code does not load here: {type(error).__name__}: {error}"
        ) from error
    return found


def tasks_of(module: str) -> dict[str, AnyTask]:
    """The tasks that a module has, by id.

    Raises:
        ImportError: There is no such module.
    """
    namespace = vars(importlib.import_module(module))
    return {value.id: value for value in namespace.values() if is_task(value)}


def _refuse_keys(data: bytes) -> None:
    """A key in a bundle would lie in a file that outlives whoever wrote it."""
    held = [name for name, value in os.environ.items() if _is_key(name, value, data)]
    if held or _KEY.search(data):
        what = f"the value of {', '.join(sorted(held))}" if held else "an API key"
        raise BundleError(
            f"the code for the workers captures {what}: read it from the environment where it is "
            "used, inside the function, and set it where the workers are started"
        )


def _is_key(name: str, value: str, data: bytes) -> bool:
    return bool(_KEY_NAME.search(name)) and len(value) >= 16 and value.encode() in data


def _read(home: Home, name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise BundleError("the version of the driver's code is no hash")
    try:
        descriptor = os.open(home.bundles / name, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise BundleError(f"the driver's code is not on this machine: {error}") from None
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(file.fileno())
        if state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077:
            raise BundleError("the driver's code is not a private file of this user")
        data = file.read()
    if hashlib.sha256(data).hexdigest() != name:
        raise BundleError("the driver's code is not what its name says")
    return data
