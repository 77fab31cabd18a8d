"""The tree of a run's steps, made of its events, and the part of it that is on show."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agentfx.jobs import Told
from agentfx.jobs._event import readable
from agentfx.notebook._items import Strips
from agentfx.notebook._node import STATES, Kind, Node, State
from agentfx.notebook._tables import Row, Tables

SHOWN_STEPS = 2_000
"""A sequence of more steps shows its latest."""
ERROR_CHARACTERS = 500
REFUSED = "its input was refused"
NO_JOB = "without a job"
FINALIZER = "/end"
"""What stands in a finalizer has paths such as `1/end/1`."""

_JOB_STATES: dict[str, State] = {
    "job_queued": "waiting",
    "job_started": "running",
    "job_lost": "waiting",
    "job_requeued": "waiting",
    "job_redriven": "waiting",
    "job_done": "done",
    "job_failed": "failed",
    "job_dead": "dead",
    "job_cancelled": "cancelled",
}
JOB_EVENTS = frozenset(_JOB_STATES)
_REFUSALS = ("ContractViolation(", "TaskError(")
"""Failures of a call whose input is refused: there is no job, so no event tells of them."""
_CALLED = re.compile(r"\w+\(task='([^']+)'")


@dataclass(frozen=True, slots=True)
class Planned:
    """A step that a program will come to.

    Attributes:
        holds: Whether others stand in it.
        waits: See `Node`.
        finalizes: See `Node`.
        place: See `Node`.
    """

    path: str
    text: str
    label: str | None
    task: str | None
    count: int | None
    place: Row | None
    holds: bool
    waits: bool
    finalizes: bool


class Tree:
    """Takes events and keeps the rows of the table `nodes` up to date.

    Applying an event is cheap: rows are made when they are asked for, once for however many
    events there were meanwhile, and only those on show.
    """

    def __init__(self) -> None:
        self.root = Node("", None, "scope", begun=True)
        self._nodes: dict[str, Node] = {}
        self._dirty: dict[str, Node] = {}
        self._blamed: list[Node] = []
        self._strips = Strips()
        self._hidden = 0
        self._fan_outs: dict[str, Node] = {}
        self._planned: list[Node] = []
        self._pauses: list[Node] = []
        self._goes_on = False

    # Events

    def begin(self) -> None:
        """The run begins."""
        self._goes_on = True

    def job(self, event: Told) -> None:
        """A job changed its state."""
        path, kind = event.path or "", event.type
        node = self._nodes.get(path)
        if node is None:
            fan_out = self._strips.take(path, event)
            if fan_out is not None:
                self._dirty[fan_out.path] = fan_out
                return
        if node is None or not node.begun:
            node = self._at(path, "job")
        if node.kind != "job":
            node.kind = "job"  # an event of its fan-out was lost: it stood for a scope
        node.task = event.task or node.task
        node.label = event.label or node.label
        if event.item is not None:
            node.index = event.item
        node.worker = event.worker or node.worker
        node.ms = event.ms if kind in ("job_done", "job_failed") else None
        node.error = event.error and _cut(event.error)
        node.own, node.kept = _JOB_STATES[kind], False
        tries = (event.attempt or 1) + (event.delivery or 1) - 1
        if tries > node.tries:
            node.tries = tries
        self._dirty[path] = node

    def started(self, event: Told) -> None:
        """A step that holds others began."""
        kind: Kind = "scope" if event.items is None else "fan_out"
        node = self._at(event.path or "", kind)
        node.kind, node.count = kind, event.items
        node.task = event.task or node.task
        node.label = event.label or node.label
        if event.items is not None:
            node.lay_out(event.items)
            self._fan_outs[node.path] = node
            self._strips.fold(node)
            self._touch_below(node.path)  # what of it is on show depends on its size
        self._touch(node)

    def done(self, event: Told) -> None:
        """A step of the driver is on record."""
        node = self._at(event.path or "", "step")
        if node.is_leaf:
            node.ms = event.ms
            node.text = node.text or readable(event.label)
            node.error = event.error and _cut(event.error)
            self._set(node, "failed" if event.error else "done", 1)
        else:  # a fan-out records its failure, a timeout how it ended
            if node.kind == "fan_out":
                node.ended_as, node.error = "failed", event.error and _cut(event.error)
                self._refuse_item(node)
            self._close(node)

    def attached(self) -> None:
        """Another driver goes on: what is done is on record, and not run again."""
        for node in self._blamed:
            node.ended_as = None  # a job in it was redriven, or its failure would stand
            self._touch(node)
        self._blamed.clear()
        self._goes_on = True
        self._settle()
        for node in self._nodes.values():
            if node.keep():
                self._touch(node)

    def ended(self, *, well: bool = False) -> None:
        """The run has ended; if it ended well, each failure in it was caught."""
        self._settle()
        self._goes_on = False
        for scope in [self.root, *self._nodes.values()]:
            if scope.begun and scope.kind == "scope":
                self._reach(scope.children, well=well)
        for node in list(self._nodes.values()):
            if node.kind == "fan_out" and well:
                self._pass_items(node)
            node.closed = True
            if not node.is_leaf:
                self._touch(node)
        if well:
            self._catch(self.root)

    def _reach(self, steps: Sequence[Node], *, well: bool) -> None:
        """See how far a sequence came, now that the run has ended.

        Where all went well, steps after the last one that was heard of were reached, up to a call
        whose input was refused: of such calls, and of pauses, no event tells.
        """
        heard = -1
        for number, step in enumerate(steps):
            if step.waits and step.own == "running":
                self._set(step, "done" if well else "cancelled", 1)
            if step.begun and not step.finalizes:
                heard = number
        if not well or (heard >= 0 and steps[heard].state in ("failed", "caught")):
            return
        for step in steps[heard + 1 :]:
            if step.finalizes:
                continue
            if not step.is_leaf or self._reached(step) == "caught":
                return

    def _reached(self, step: Node) -> State:
        """The run came past a step that no event tells of: a pause, or a call that was refused."""
        step.begun, refused = True, step.task is not None
        step.error = REFUSED if refused else None
        self._set(step, "caught" if refused else "done", 1)
        return step.own

    def _refuse_item(self, fan_out: Node) -> None:
        """A fan-out failed; was it an item whose input was refused, of which no event tells?

        Items begin in order, and the failure of the lowest one counts.
        """
        if fan_out.task is None or not (fan_out.error or "").startswith(_REFUSALS):
            return
        self._settle()
        marks, ended = fan_out.inside.marks, ("failed", "dead", "planned")
        index = next((n for n, mark in enumerate(marks) if STATES[mark] in ended), None)
        if index is not None and STATES[marks[index]] == "planned":
            self._refuse(f"{fan_out.path}/{index}", fan_out.error)

    def _refuse(self, path: str, error: str | None) -> None:
        node = self._at(path, "job")
        called = _CALLED.match(error or "")
        node.task = node.task or (called[1] if called else None)
        node.error = error or REFUSED
        self._set(node, "failed", 1)

    def _pass_items(self, fan_out: Node) -> None:
        """The run has ended well, and so have items that had no job, such as one that was refused.

        One that was cut off from outside leaves items behind that did not end.
        """
        count = fan_out.count or 0
        if len(fan_out.children) >= count or fan_out.task is not None or fan_out.ended_as:
            return
        self._settle()
        if any(fan_out.inside.counts.get(state) for state in ("running", "waiting", "cancelled")):
            return
        heard = {child.index for child in fan_out.children}
        for index in range(count):
            if index not in heard:
                node = self._at(f"{fan_out.path}/{index}", "step")
                node.text = NO_JOB
                self._set(node, "done", 1)

    def blame(self, path: str, error: str | None) -> None:
        """The run has ended by a failure at a step."""
        node = self._find(path)
        unheard = node is None or (node.is_leaf and node.own == "planned")
        if unheard and error is not None and error.startswith(_REFUSALS):
            self._refuse(path, _cut(error))
        elif node is not None and node.waits and node.own == "cancelled":
            self._set(node, "done", 1)  # the program gave up after it
        for scope in self._nodes.values():
            if f"{path}/".startswith(f"{scope.path}/") and not scope.is_leaf:
                scope.ended_as = "failed"
                self._blamed.append(scope)
                self._touch(scope)

    def _catch(self, scope: Node) -> None:
        """The run went on past a step: what failed in it was caught."""
        pending = [scope]
        while pending:
            node = pending.pop()
            if node.is_leaf and node.own == "failed":
                self._set(node, "caught", node.tries)
            elif node.ended_as == "failed":
                node.ended_as = "caught"
                self._touch(node)
            pending.extend(node.children)

    def kept(self) -> int:
        """How many leaves were on record when the present driver took over."""
        kept = sum(1 for node in self._nodes.values() if node.is_leaf and node.kept)
        return kept + self._strips.kept()

    def to_come(self) -> int:
        """How many leaves are known to come, of which nothing was heard yet."""
        items = sum(
            max((node.count or 0) - len(node.children) - self._strips.heard(path), 0)
            for path, node in self._fan_outs.items()
        )
        return items + sum(1 for node in self._planned if not node.begun)

    # Nodes

    def planned(self, step: Planned) -> None:
        """A step that the program will come to."""
        count = step.count
        kind: Kind = "fan_out" if count is not None else "scope" if step.holds else "step"
        node = self._add(step.path, kind if step.task is None or count is not None else "job")
        node.text, node.label, node.task, node.count = step.text, step.label, step.task, count
        node.place, node.waits, node.finalizes = step.place, step.waits, step.finalizes
        if count is not None:
            node.lay_out(count)
            self._fan_outs[step.path] = node
        elif node.is_leaf:
            self._planned.append(node)
            if node.waits:
                self._pauses.append(node)

    def _add(self, path: str, kind: Kind) -> Node:
        parent, last = self._parent(path), path.rpartition("/")[2]
        children = parent.inside.children
        node = Node(path, parent, kind, rank=len(children))
        if parent.kind == "fan_out":
            node.index = int(last) if last.isdigit() else None
        children.append(node)
        self._nodes[path] = self._dirty[path] = node
        return node

    def _find(self, path: str) -> Node | None:
        """The node at a path; an item of which something was heard gets one."""
        node = self._nodes.get(path)
        if node is None and self._strips.holds(path):
            node = self._add(path, "job")
            self._strips.give(node)
        return node

    def _at(self, path: str, kind: Kind) -> Node:
        """The node at a path, of which something was heard now."""
        node = self._find(path) or self._add(path, kind)
        if not node.begun:
            node.begun = True
            scope = node.parent
            if scope is not None:
                self._begin(scope)
                if scope.kind != "fan_out":
                    self._pass(scope.children, node)
        return node

    def _pass(self, steps: Sequence[Node], node: Node) -> None:
        """A step of a sequence has begun: what of the steps before it nobody told?"""
        for rank in range(node.rank - 1, -1, -1):
            before = steps[rank]
            # A finalizer has a smaller number than the steps before it, and runs after a failure.
            earlier = _number(before) < _number(node)
            if not before.begun or (before.waits and before.own != "done"):
                if earlier and before.is_leaf:
                    self._reached(before)
                continue
            self._close(before)
            # Elsewhere than at the top, steps with numbers may be items of a stream, side by side.
            if earlier and node.parent is self.root:
                self._catch(before)
            if not before.finalizes:
                return

    def _begin(self, scope: Node) -> None:
        if not scope.begun and scope.path:
            self._at(scope.path, scope.kind)

    def _parent(self, path: str) -> Node:
        """The scope that a path stands in; scopes that nothing was heard of are made."""
        inside = path.rpartition("/")[0]
        if not inside:
            return self.root
        above = inside.removesuffix(FINALIZER)
        scope = self._find(above) or self._add(above, "scope")
        if above != inside and not scope.finalizes:
            scope.finalizes, scope.text = True, "finalizer"
            self._touch(scope)
        return scope

    def _close(self, node: Node) -> None:
        if node.begun and not node.closed:
            node.closed = True
            self._touch(node)

    def _set(self, node: Node, state: State, tries: int) -> None:
        """Set a leaf's state."""
        node.own, node.tries, node.kept = state, tries, False
        self._touch(node)

    def _touch(self, node: Node) -> None:
        """Its row has to be made again, and later those around it."""
        self._dirty[node.path] = node

    def _settle(self) -> None:
        """Count what changed in everything around it, and mark it in the strips of fan-outs.

        That is done once for however many events a node had, and before states of scopes are
        asked for.
        """
        self._strips.settle()  # first: some of its items have a node now, which goes on from there
        moves: defaultdict[tuple[Node, State, State], int] = defaultdict(int)
        for node in self._dirty.values():
            former, state, scope = node.counted, node.own, node.parent
            if former != state and scope is not None:
                moves[scope, former, state] += 1
                node.counted = state
            if node.tries > 1:
                node.count_again()
        for (scope, former, state), number in moves.items():
            scope.moved(former, state, number)
        if self._goes_on:
            self._begin_pauses()
        climbed: set[Node] = set()
        for node in list(self._dirty.values()):
            scope = node.parent
            while scope is not None and node not in climbed:
                climbed.add(node)
                if scope.kind == "fan_out" and node.index is not None:
                    scope.mark(node.index, node)
                self._dirty[scope.path] = node = scope
                scope = node.parent

    def _begin_pauses(self) -> None:
        """Pauses begin when the step before has ended: of that no event tells."""
        for node in self._pauses:
            if node.begun or node.parent is None:
                continue
            scope, before = node.parent, None
            if node.rank:
                before = scope.children[node.rank - 1]
            if before.has_ended() if before is not None else scope.begun:
                scope.moved(node.counted, "running", 1)
                node.begun, node.own, node.counted = True, "running", "running"
                self._touch(node)

    # Rows

    def show_as(self, other: "Tree") -> None:
        """Show the same pages as another tree."""
        self._strips.show_as(other._strips)

    def open(self, path: str, page: int) -> None:
        """Show a page of a fan-out's items."""
        for item in self._strips.open(path, page):
            self._find(item)
        self._touch_below(path)

    def close(self, path: str) -> None:
        """Show no pages of a fan-out any more."""
        self._strips.close(path)
        self._touch_below(path)

    def _touch_below(self, path: str) -> None:
        pending = list(self._nodes[path].children) if path in self._nodes else []
        while pending:
            node = pending.pop()
            self._dirty[node.path] = node
            pending.extend(node.children)

    def flush(self, tables: Tables) -> None:
        """Bring the table `nodes` up to date."""
        self._settle()
        for path, node in self._dirty.items():
            if not path:
                self._fold_root(tables)
            elif self._is_shown(node):
                tables.put("nodes", path, node.row())
                node.shown = True
            elif node.shown:
                tables.drop("nodes", path)
                node.shown = False
        self._dirty.clear()

    def _fold_root(self, tables: Tables) -> None:
        """Of a very long sequence only the latest steps are on show."""
        steps = self.root.children
        hidden = len(steps) - SHOWN_STEPS
        if hidden > 0:
            tables.put("nodes", "0", {"kind": "fold", "count": hidden, "state": "done"})
            for node in steps[self._hidden : hidden]:
                tables.drop("nodes", node.path)
            self._hidden = hidden

    def _is_shown(self, node: Node) -> bool:
        while node.parent is not None:
            scope = node.parent
            if scope.kind == "fan_out" and not self._strips.shows(scope, node):
                return False
            if scope is self.root and self._is_folded(node):
                return False
            node = scope
        return True

    def _is_folded(self, node: Node) -> bool:
        steps = self.root.children
        if len(steps) <= SHOWN_STEPS or not node.path.isdigit():
            return False
        return int(node.path) <= int(steps[-SHOWN_STEPS - 1].path)


def _number(step: Node) -> int:
    last = step.path.rpartition("/")[2]
    return int(last) if last.isdigit() else 0


def _cut(error: str) -> str:
    return error[:ERROR_CHARACTERS]
