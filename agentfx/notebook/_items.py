"""Items of fan-outs, of which there may be thousands: most are a letter, until a page is opened."""

from collections import defaultdict
from typing import TypeAlias

from agentfx.jobs import Told
from agentfx.notebook._node import KEPT_MARK, STATES, Node

SHOWN_ITEMS = 24
"""A fan-out of more items shows them by the page, where somebody opened one."""
PAGE = 50

_DONE = ord("d")
_LETTERS = {"job_queued": ord("w"), "job_started": ord("r"), "job_done": _DONE}
"""How an item goes that is like all others; one to which more happens has a node."""


Item: TypeAlias = tuple[str | None, float | None, str | None]
"""What is known of an item beside its state: worker, milliseconds, label."""


class _Strip:
    """Items of a fan-out over a task; those that have no node are in `told`, by index."""

    def __init__(self, fan_out: Node) -> None:
        self.fan_out, self.marks = fan_out, fan_out.inside.marks
        self.told: dict[int, Item] = {}
        self.moves: defaultdict[tuple[int, int], int] = defaultdict(int)

    def take(self, event: Told) -> bool:
        letter, index, marks = _LETTERS.get(event.type), event.item, self.marks
        if letter is None or index is None or index >= len(marks):
            return False
        if (event.attempt or 1) + (event.delivery or 1) > 2:
            return False
        worker, label, former = event.worker, event.label, self.told.get(index)
        if former is not None:
            worker, label = worker or former[0], label or former[2]
        # Not the event itself: it can go then.
        self.told[index] = (worker, event.ms if letter == _DONE else None, label)
        self.moves[marks[index], letter] += 1
        marks[index] = letter
        return True


class Strips:
    """The items that have no node, and the pages that are on show."""

    def __init__(self) -> None:
        self._strips: dict[str, _Strip] = {}
        self._pages: dict[str, set[int]] = {}

    # Pages

    def show_as(self, other: "Strips") -> None:
        """Show the same pages."""
        self._pages = {path: set(pages) for path, pages in other._pages.items()}

    def open(self, path: str, page: int) -> list[str]:
        """Show a page of a fan-out's items; the paths of those that need a node now."""
        self._pages.setdefault(path, set()).add(page)
        strip = self._strips.get(path)
        told = strip.told if strip is not None else ()
        return [f"{path}/{n}" for n in range(page * PAGE, (page + 1) * PAGE) if n in told]

    def close(self, path: str) -> None:
        """Show no pages of a fan-out any more."""
        self._pages.pop(path, None)

    def shows(self, fan_out: Node, item: Node) -> bool:
        """Whether an item is on show, as far as its fan-out goes."""
        return (fan_out.count or 0) <= SHOWN_ITEMS or self._is_open(fan_out.path, item.index)

    def _is_open(self, path: str, index: int | None) -> bool:
        pages = self._pages.get(path)
        return pages is not None and (index or 0) // PAGE in pages

    # Items without a node

    def fold(self, fan_out: Node) -> None:
        """A fan-out began: its items need no nodes, if they are jobs and many."""
        if (fan_out.count or 0) > SHOWN_ITEMS and fan_out.task is not None:
            self._strips.setdefault(fan_out.path, _Strip(fan_out))

    def take(self, path: str, event: Told) -> Node | None:
        """Note what happened to an item; its fan-out, None if it is one that needs a node."""
        scope = path.rpartition("/")[0]
        strip = self._strips.get(scope)
        if strip is None or (self._pages and self._is_open(scope, event.item)):
            return None
        return strip.fan_out if strip.take(event) else None

    def holds(self, path: str) -> bool:
        """Whether something was heard of an item that has no node."""
        scope, _, last = path.rpartition("/")
        strip = self._strips.get(scope)
        return strip is not None and last.isdigit() and int(last) in strip.told

    def give(self, node: Node) -> None:
        """Let an item have this node from now on."""
        scope, _, last = node.path.rpartition("/")
        strip, index = self._strips[scope], int(last)
        mark = strip.marks[index]
        node.worker, node.ms, node.label = strip.told.pop(index)
        node.task, node.begun, node.kept = strip.fan_out.task, True, mark == KEPT_MARK
        node.own = node.counted = STATES[mark]

    def settle(self) -> None:
        """Count what changed in everything around them."""
        for strip in self._strips.values():
            for (former, letter), number in strip.moves.items():
                strip.fan_out.moved(STATES[former], STATES[letter], number)
            strip.moves.clear()

    def heard(self, path: str) -> int:
        """Of how many items of a fan-out that have no node something was heard."""
        strip = self._strips.get(path)
        return len(strip.told) if strip is not None else 0

    def kept(self) -> int:
        """How many were on record when the present driver took over."""
        return sum(
            strip.marks[index] == KEPT_MARK
            for strip in self._strips.values()
            for index in strip.told
        )
