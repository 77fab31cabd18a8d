"""Two branches of one session, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
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


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Two logs from the first event on that they do not share.

    Attributes:
        shared: How many events at the front are the same, hash for hash.
        rows: Events side by side; None where a side has no more.
        names: Of the two, for people.
    """

    shared: int
    left: Side
    right: Side
    rows: tuple[tuple[LogEvent | None, LogEvent | None], ...]
    names: tuple[str, str] = ("left", "right")

    def __str__(self) -> str:
        rows = [("", *self.names), *self.sides()]
        widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows]
        return "\n".join([f"the first {self.shared} events are the same", *lines])

    __repr__ = __str__

    def sides(self) -> list[tuple[str, str, str]]:
        """What both came to, as text: what, left, right."""
        found: list[tuple[str, str, str]] = []
        for field in fields(Side):
            one, other = (_said(getattr(side, field.name)) for side in (self.left, self.right))
            found.append((field.name.replace("_", " "), one, other))
        return found

    def table(self) -> "pd.DataFrame":
        """The rows for people."""
        import pandas as pd

        return pd.DataFrame(
            [_row(left, right) for left, right in self.rows],
            columns=["seq", "left", "left_text", "right", "right_text"],
        )


def compare(
    left: Sequence[LogEvent],
    right: Sequence[LogEvent],
    names: tuple[str, str] = ("left", "right"),
) -> Comparison:
    """Two logs side by side.

    Args:
        left: A whole log.
        right: Another one, of a branch or of the same parent.
        names: Of the two, for people.
    """
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
    return Comparison(shared, _side(mine), _side(theirs), pairs, names)


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


def _said(value: object) -> str:
    if value is None:
        return "unknown"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
