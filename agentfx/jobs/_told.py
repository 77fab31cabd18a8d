"""An event as services tell it to displays, of which there may be thousands a second."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Told(NamedTuple):
    """The fields of `agentfx.Event`, cheap to make and to read; None where one does not apply.

    Attributes:
        item: `index` of the event, a name that tuples have already.
        items: `count` of the event, for the same reason.
    """

    seq: int
    at: float
    run: str
    type: str
    path: str | None = None
    item: int | None = None
    items: int | None = None
    job: str | None = None
    task: str | None = None
    worker: str | None = None
    attempt: int | None = None
    delivery: int | None = None
    ms: float | None = None
    error: str | None = None
    label: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Told":
        """The same event, from its fields by name."""
        return cls._make(fields.get(name) for name in EVENT_FIELDS)


EVENT_FIELDS = tuple({"item": "index", "items": "count"}.get(n, n) for n in Told._fields)
"""What its fields are called in an event, in their order."""
