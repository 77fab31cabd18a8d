"""How a session stands, as its services say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Status:
    """How a session stands.

    Attributes:
        head: Number of the last event.
        busy: Something goes on, or will by itself.
        held: Calls that wait for an approval.
        running: Calls that run, or wait for a worker.
        due_at: When a failed model call is tried again.
        spent: Money booked for the session's purse; `reserved` for calls under way.
    """

    head: int
    epoch: int
    busy: bool
    held: tuple[str, ...]
    running: tuple[str, ...]
    due_at: float | None
    spent: float
    reserved: float


def status_of(row: Mapping[str, Any]) -> Status:
    """A status, as the services send it."""
    calls: list[Mapping[str, Any]] = row["open_calls"]
    held = tuple(c["call"] for c in calls if c["state"] == "held")
    running = tuple(c["call"] for c in calls if c["state"] != "held")
    return Status(
        row["head"], row["epoch"], row["busy"], held, running, row["due_at"],
        row["spent"]["booked"],
        row["spent"]["reserved"],
    )  # fmt: skip
