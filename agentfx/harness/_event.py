"""Events of a session's log, as everybody reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "session_started",
    "user_message",
    "model_call",
    "assistant",
    "tool_started",
    "tool_result",
    "approval_requested",
    "approved",
    "rejected",
    "usage",
    "model_error",
    "refused",
    "limit_reached",
    "step_failed",
    "cut",
    "model_changed",
    "forked",
    "cancelled",
]
KINDS: tuple[str, ...] = get_args(Kind)
"""All kinds of events; each kind's body is described in `docs/harness.md`."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event; it never changes once it is in a log.

    Attributes:
        seq: 1, 2, 3 … without gaps.
        at: Seconds since the epoch, by the clock of the services; for people.
        writer: A client, the label of a worker, or `services`.
        epoch: Rises when a message overtakes a turn; turns of a lower one are refused.
        body: Depends on the kind.
        stimulus: Somebody has to react to it.
        reacting_to: The highest stimulus that this reacts to.
        hash: Of this event and all before it.
    """

    seq: int
    at: float
    writer: str
    epoch: int
    kind: str
    body: Mapping[str, Any]
    stimulus: bool = False
    reacting_to: int | None = None
    hash: str = ""
    key: str | None = None


def event_of(row: Mapping[str, Any]) -> LogEvent:
    """An event as the services send it."""
    return LogEvent(
        row["seq"], row["at"], row["writer"], row["epoch"], row["kind"], row["body"],
        row["stimulus"], row["reacting_to"], row["hash"], row["key"],
    )  # fmt: skip


def answers_in(log: int | Sequence[LogEvent]) -> int:
    """How many answers of the model a log has."""
    return log if isinstance(log, int) else sum(event.kind == "assistant" for event in log)
