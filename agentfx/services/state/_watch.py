"""Who is told of a change, and how much may wait for a watcher that is slow."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from agentfx.services._host import Binding, FunctionError
from agentfx.wire import Json, is_object

MAX_RUNNING = 64
"""Events that one watcher may be handling at a time."""

MAX_WAITING = 1_000
"""Events that may wait for one watcher."""

MAX_WAITING_BYTES = 4 << 20
"""Bytes of values that may wait for one watcher."""


@dataclass(frozen=True, slots=True)
class Change:
    """A write: what a `state` trigger is about; `size` is that of both values as JSON."""

    kind: Literal["created", "updated", "deleted"]
    scope: str
    key: str
    old_value: Json
    new_value: Json
    size: int


@dataclass(slots=True)
class Watcher:
    """One `state` trigger: a filter, and a bounded queue of events."""

    binding: Binding
    scope: str | None
    key: str | None
    condition: str | None
    running: int = field(default=0, init=False)
    _waiting: deque[tuple[Json, int]] = field(default_factory=deque[tuple[Json, int]], init=False)
    _waiting_bytes: int = field(default=0, init=False)
    _missed: bool = field(default=False, init=False)

    def sees(self, change: Change) -> bool:
        """Whether a change is one that this watcher wants."""
        return self.scope in (None, change.scope) and self.key in (None, change.key)

    def add(self, change: Change) -> None:
        """Have an event wait; what does not fit is replaced, with all that waits, by a resync."""
        if self._missed:
            return
        event = _event(change.kind, change.scope, change.key, change.old_value, change.new_value)
        self._waiting.append((event, change.size))
        self._waiting_bytes += change.size
        too_many = len(self._waiting) > MAX_WAITING
        if too_many or (self._waiting_bytes > MAX_WAITING_BYTES and len(self._waiting) > 1):
            self._waiting.clear()
            self._waiting_bytes, self._missed = 0, True

    def next(self) -> Json:
        """The event to deliver now, None if nothing waits or too many are being handled."""
        if self.running >= MAX_RUNNING:
            return None
        if self._waiting:
            event, size = self._waiting.popleft()
            self._waiting_bytes -= size
        elif self._missed and self.running == 0:
            event, self._missed = _event("resync", self.scope, self.key, None, None), False
        else:
            return None
        self.running += 1
        return event


def _event(kind: str, scope: str | None, key: str | None, old: Json, new: Json) -> Json:
    return {
        "type": "state",
        "event_type": f"state:{kind}",
        "scope": scope,
        "key": key,
        "old_value": old,
        "new_value": new,
    }


def watcher(binding: Binding) -> Watcher:
    """A watcher for a trigger.

    Raises:
        FunctionError: Its config is not one.
    """
    config = binding.config
    if not is_object(config):
        raise FunctionError("trigger_registration_failed", "the config is not an object")
    found: list[str | None] = []
    for name in ("scope", "key", "condition_function_id"):
        value = config.get(name)
        if value is not None and not isinstance(value, str):
            raise FunctionError("trigger_registration_failed", f"`{name}` is not a string")
        found.append(value)
    return Watcher(binding, *found)
