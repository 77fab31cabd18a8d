"""Two branches of one session, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentfx.harness._event import LogEvent
from agentfx.harness._view import text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Side:
    """What a branch came to after the events that both have."""

    answer: str
    events: int
    model_calls: int
    tool_calls: int
    tokens: int
    cost: float | None
    unused_cost: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two logs from the first event on that they do not share.

    Attributes:
        shared: How many events at the front are the same, hash for hash.
        rows: Events side by side; None where a side has no more.
    """

    shared: int
    left: Side
    right: Side
    rows: tuple[tuple[LogEvent | None, LogEvent | None], ...]

    def table(self) -> "pd.DataFrame":
        """The rows for people."""
        import pandas as pd

        return pd.DataFrame(
            [_row(left, right) for left, right in self.rows],
            columns=["seq", "left", "left_text", "right", "right_text"],
        )


def compare(left: Sequence[LogEvent], right: Sequence[LogEvent]) -> Comparison:
    """Two logs side by side."""
    shared = 0
    for one, other in zip(left, right, strict=False):
        if one.hash != other.hash:
            break
        shared += 1
    mine, theirs = list(left[shared:]), list(right[shared:])
    count = max(len(mine), len(theirs))
    pairs = tuple(
        (mine[i] if i < len(mine) else None, theirs[i] if i < len(theirs) else None)
        for i in range(count)
    )
    return Comparison(shared, _side(mine), _side(theirs), pairs)


def _side(events: Sequence[LogEvent]) -> Side:
    usage = [event.body for event in events if event.kind == "usage"]
    answers = [event for event in events if event.kind == "assistant"]
    costs = [body["cost"] for body in usage if body["cost"] is not None]
    unused = [b["cost"] for b in usage if b["cost"] is not None and not b["used"]]
    return Side(
        answer=text(answers[-1]) if answers else "",
        events=len(events),
        model_calls=sum(event.kind == "model_call" for event in events),
        tool_calls=sum(event.kind == "tool_result" for event in events),
        tokens=sum(body["tokens"] for body in usage),
        cost=sum(costs) if costs else None,
        unused_cost=sum(unused) if costs else None,
        seconds=round(events[-1].at - events[0].at, 3) if events else 0.0,
    )


def _row(left: LogEvent | None, right: LogEvent | None) -> dict[str, Any]:
    seq = left.seq if left is not None else right.seq if right is not None else 0
    return {
        "seq": seq,
        "left": left.kind if left else "",
        "left_text": text(left) if left else "",
        "right": right.kind if right else "",
        "right_text": text(right) if right else "",
    }
