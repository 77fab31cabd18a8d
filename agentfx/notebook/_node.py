"""One node of the tree of steps, as the events of a run make it known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from agentfx.notebook._tables import Row

State: TypeAlias = Literal[
    "planned", "waiting", "running", "done", "failed", "caught", "dead", "cancelled"
]
"""`caught` is a failure that the run went on past."""
Kind: TypeAlias = Literal["scope", "fan_out", "job", "step"]

MARKS: dict[State, str] = {
    "planned": ".",
    "waiting": "w",
    "running": "r",
    "done": "d",
    "failed": "f",
    "caught": "h",
    "dead": "x",
    "cancelled": "c",
}
"""One letter for the state of an item; `k` is a done one that was on record before a resume."""
_LETTERS: dict[State, int] = {state: ord(letter) for state, letter in MARKS.items()}
KEPT_MARK = ord("k")
STATES: dict[int, State] = {KEPT_MARK: "done", **{mark: s for s, mark in _LETTERS.items()}}
"""What a mark says."""
_ENDED: tuple[State, ...] = ("failed", "caught", "cancelled", "done")
_SAME = re.compile(rb"(.)\1*")
_KEPT = bytes.maketrans(b"d", b"k")
MOST_AGAIN = 200
"""Items whose number of tries is listed in the row of a fan-out."""


@dataclass(slots=True, eq=False)
class Inside:
    """What a node that holds others knows of them.

    Attributes:
        counts: Leaves below, by state.
        again: Leaves below that needed another try.
        most_tries: Of the leaf below that took the most.
        marks: Of a fan-out, one letter for each item.
        tried: Of a fan-out, how many tries an item took, where it was more than one.
    """

    counts: dict[State, int] = field(default_factory=dict[State, int])
    again: int = 0
    most_tries: int = 1
    marks: bytearray = field(default_factory=bytearray)
    tried: dict[int, int] = field(default_factory=dict[int, int])
    children: "list[Node]" = field(default_factory=list["Node"])


@dataclass(slots=True, eq=False)
class Node:
    """A step: a job, a step of the driver, or a scope that holds others.

    Attributes:
        path: Such as `3/17/2`; the root's is empty.
        index: Of an item of a fan-out.
        own: State of a leaf; a scope has that of its leaves.
        tries: Attempts and deliveries beyond the first, and the first.
        tried_again: A leaf is counted among those that needed another try.
        text: What the program says of it.
        rank: Its place among its parent's children.
        place: Of a finalizer that was planned: the step it stands after, and what is said of it.
        waits: It is a pause, of which no event tells.
        finalizes: It runs however the steps before it end, and has a smaller number than they.
        counted: State of a leaf as everything around it counts it.
        begun: Something was heard of it.
        shown: Its row is in the table.
        kept: It was on record already when the present driver took the run over.
        closed: A later step of the same sequence has begun, or the run has ended.
        ended_as: Of a scope that ended by a failure: `failed` or `caught`.
    """

    path: str
    parent: "Node | None"
    kind: Kind
    index: int | None = None
    label: str | None = None
    task: str | None = None
    count: int | None = None
    text: str | None = None
    rank: int = 0
    place: Row | None = None
    waits: bool = False
    finalizes: bool = False
    own: State = "planned"
    counted: State = "planned"
    tries: int = 1
    tried_again: bool = False
    begun: bool = False
    shown: bool = False
    kept: bool = False
    closed: bool = False
    ended_as: Literal["failed", "caught"] | None = None
    worker: str | None = None
    ms: float | None = None
    error: str | None = None
    _inside: "Inside | None" = None

    @property
    def inside(self) -> "Inside":
        """What it knows of those below; made when there is the first, for leaves are many."""
        if self._inside is None:
            self._inside = Inside()
        return self._inside

    @property
    def children(self) -> "Sequence[Node]":
        """Those right below, in the order in which they were heard of."""
        return () if self._inside is None else self._inside.children

    @property
    def is_leaf(self) -> bool:
        """Whether it runs something itself."""
        return self.kind in ("job", "step")

    @property
    def state(self) -> State:
        """How it stands."""
        if self.is_leaf:
            return self.own
        if not self.begun:
            return "planned"
        if self.ended_as is not None:
            return self.ended_as
        counts = self.inside.counts
        for state in ("running", "waiting", "dead"):
            if counts.get(state):
                return state
        return self._between_steps()

    def _between_steps(self) -> State:
        # Nothing below runs now. An item of a fan-out tells nobody that it has ended, so it
        # counts as what its latest step is; any other scope goes on until it is closed.
        if self.in_item():
            if self.kind == "fan_out" and self.task is not None:
                counts = self.inside.counts
                for state in _ENDED:  # side by side: none of its items is the latest
                    if counts.get(state):
                        return state
            elif self.children:
                return self.children[-1].state
        return "done" if self.closed else "running"

    def has_ended(self) -> bool:
        """Whether it is known to have ended well, before a later step has begun."""
        if self.kind == "fan_out":
            return self.count is not None and self.inside.counts.get("done") == self.count
        return self.is_leaf and self.own == "done"

    def in_item(self) -> bool:
        """Whether it is an item of a fan-out, or stands in one."""
        node: Node | None = self
        while node is not None:
            if node.parent is not None and node.parent.kind == "fan_out":
                return True
            node = node.parent
        return False

    def moved(self, former: State, state: State, number: int) -> None:
        """Count in it, and in everything around it, that leaves changed their state."""
        scope: Node | None = self
        while scope is not None:
            counts = scope.inside.counts
            if former != "planned":
                counts[former] -= number
            counts[state] = counts.get(state, 0) + number
            scope = scope.parent

    def count_again(self) -> None:
        """Count a leaf's tries in everything around it."""
        again, self.tried_again = not self.tried_again, True
        scope = self.parent
        while scope is not None:
            inside = scope.inside
            inside.again += again
            inside.most_tries = max(inside.most_tries, self.tries)
            scope = scope.parent

    def lay_out(self, count: int) -> None:
        """Have a mark for each of so many items."""
        marks = self.inside.marks
        marks.extend(b"." * (count - len(marks)))

    def mark(self, index: int, child: "Node") -> None:
        """Note the state of an item."""
        state, inside = child.state, self.inside
        if index >= len(inside.marks):
            self.lay_out(index + 1)
        inside.marks[index] = KEPT_MARK if child.kept and state == "done" else _LETTERS[state]
        tries = child.tries if child.is_leaf else child.inside.most_tries
        if tries > 1:
            inside.tried[index] = tries

    def keep(self) -> bool:
        """Mark what is done as on record; whether that changes anything."""
        if self.kind == "fan_out":
            marks = self.inside.marks
            marks[:] = marks.translate(_KEPT)  # in place: others hold them
        change = not self.kept and self.state == "done"
        self.kept = self.kept or change
        return change or self.kind == "fan_out"

    def row(self) -> Row:
        """As JSON for a front end; what does not apply is left out."""
        parent = self.parent.path if self.parent is not None and self.parent.path else None
        row: dict[str, Any] = {
            "kind": self.kind, "state": self.state, "parent": parent, "index": self.index,
            "label": self.label, "task": self.task, "text": self.text, "count": self.count,
            "worker": self.worker, "ms": self.ms, "error": self.error, "kept": self.kept or None,
            "tries": self.tries if self.tries > 1 else None, **(self.place or {}),
        }  # fmt: skip
        if not self.is_leaf:
            row["counts"] = {state: n for state, n in self.inside.counts.items() if n} or None
            row["again"] = self.inside.again or None
        if self.kind == "fan_out":
            row["marks"] = run_lengths(self.inside.marks)
            tried = list(self.inside.tried.items())[-MOST_AGAIN:]
            row["tried"] = {str(index): tries for index, tries in tried} or None
        return {name: value for name, value in row.items() if value is not None}


def run_lengths(marks: bytes | bytearray) -> str:
    """Letters with the number of times each is repeated: `ddddw` is `4d1w`."""
    found = _SAME.finditer(marks)
    return "".join(f"{m.end() - m.start()}{chr(marks[m.start()])}" for m in found)
