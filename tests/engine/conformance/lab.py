"""Experiments whose answers are compared with those of a real engine."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentfx.wire import is_array, is_object
from tests.engine.client import Client, connected

PREFIX = "probe<salt>::"
"""How the recorded answers show ids of the experiment."""

_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIMES = frozenset({"failed_at", "connected_at_ms"})
# Seconds, measured: only whole ones can be compared between machines.
_SECONDS = frozenset({"after_s", "attempt_times"})
# Depend on how an engine stores its entries.
_IGNORED = frozenset({"size_bytes", "doc_url"})


@dataclass(frozen=True)
class Lab:
    """Where an experiment takes place."""

    url: str

    @asynccontextmanager
    async def client(self, name: str | None = None) -> AsyncGenerator[Client, None]:
        """A connection; with a name, one that has introduced itself."""
        async with connected(self.url, None if name is None else PREFIX + name) as client:
            yield client

    async def doomed(self, name: str) -> Client:
        """A connection that the experiment ends itself."""
        client = Client(self.url)
        await client.open()
        await client.introduce(PREFIX + name)
        return client


Experiment: TypeAlias = Callable[[Lab], Awaitable[Any]]
EXPERIMENTS: dict[str, Experiment] = {}
SLOW: set[str] = set()


def experiment(name: str, *, slow: bool = False) -> Callable[[Experiment], Experiment]:
    """Register an experiment under the name of its recorded answer."""

    def register(run: Experiment) -> Experiment:
        EXPERIMENTS[name] = run
        if slow:
            SLOW.add(name)
        return run

    return register


def normalised(value: Any) -> Any:
    """An answer without what differs between two runs of the same experiment."""
    if is_object(value):
        return {
            name: _normalised_field(name, field)
            for name, field in value.items()
            if name not in _IGNORED
        }
    if is_array(value):
        return [normalised(item) for item in value]
    return _UUID.sub("<uuid>", value) if isinstance(value, str) else value


def _normalised_field(name: str, value: Any) -> Any:
    if name in _TIMES:
        return "<time>"
    if name in _SECONDS:
        return [int(seconds + 0.3) for seconds in value]
    return normalised(value)


def differences(expected: Any, found: Any, place: str = "") -> list[str]:
    """Where two answers differ."""
    if is_object(expected) and is_object(found):
        return [
            line
            for name in dict.fromkeys([*expected, *found])
            for line in differences(
                expected.get(name, "<absent>"), found.get(name, "<absent>"), f"{place}.{name}"
            )
        ]
    if is_array(expected) and is_array(found) and len(expected) == len(found):
        return [
            line
            for index, (one, other) in enumerate(zip(expected, found, strict=True))
            for line in differences(one, other, f"{place}[{index}]")
        ]
    return [] if expected == found else [f"{place or '.'}: {expected!r} is {found!r}"]
