"""What a stream and its fences put on record, in words that can be read back.

These lines are the labels of a run's events: trees show them, and diagrams are drawn from them.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

Kind: TypeAlias = Literal["input", "passed", "done", "refused", "preempted"]
PREEMPTED = "preempted: stopped, and cleaned up"
OUTRUN = "preempted: could not be stopped, ended all the same"
_LINE = re.compile(r"(?:epoch (?P<input>\d+)|fence (?P<kind>\w+), epoch (?P<epoch>\d+))(: (.+))?")


@dataclass(frozen=True, slots=True)
class FenceLine:
    """A line, read back.

    Attributes:
        kind: `input`: one has come, and raised the fence to its epoch. `passed`: an effect may
            run; `done`: it has; `refused`: it may not. `preempted`: what ran for an input is no
            longer wanted.
        epoch: Of the input; 0 for `preempted`.
        reason: Why it was refused; how what was preempted ended.
    """

    kind: Kind
    epoch: int
    reason: str = ""


def input_line(epoch: int) -> str:
    """An input has come."""
    return f"epoch {epoch}"


def fence_line(kind: Literal["passed", "done", "refused"], epoch: int, reason: str = "") -> str:
    """What a fence said to an effect, or what became of it."""
    return f"fence {kind}, epoch {epoch}" + (f": {reason}" if reason else "")


def read_line(label: str) -> FenceLine | None:
    """A line that one of these wrote, None for any other label."""
    if label in (PREEMPTED, OUTRUN):
        return FenceLine("preempted", 0, label.removeprefix("preempted: "))
    found = _LINE.fullmatch(label)
    if found is None:
        return None
    if found["input"]:
        return FenceLine("input", int(found["input"]))
    if found["kind"] not in get_args(Kind):
        return None
    return FenceLine(cast("Kind", found["kind"]), int(found["epoch"]), found[5] or "")
