"""Which messages of a queue are handed out next: pure, with the time passed in."""

import heapq
from typing import TypeAlias

from agentfx.services._store import Ticket

Target: TypeAlias = tuple[str, str]
"""Namespace and id of a function."""


class Line:
    """The messages of one queue, without their payloads.

    A ticket is in exactly one of these: waiting, delayed until it is due, stuck because nobody
    serves its function, or active. In an ordered line a group has at most one ticket that is
    not merely waiting, and that is its oldest.

    Args:
        ordered: Whether messages of a group are handled one after the other.
        concurrency: How many may be active at a time; 0 hands out nothing.
    """

    def __init__(self, *, ordered: bool, concurrency: int) -> None:
        self.ordered, self.concurrency = ordered, concurrency
        self._ready: list[tuple[int, Ticket]] = []
        self._delayed: list[tuple[int, int, Ticket]] = []
        self._stuck: dict[Target, list[Ticket]] = {}
        self._blocked: dict[Target, int] = {}
        self._active: dict[int, Ticket] = {}
        self._behind: dict[str | None, list[tuple[int, Ticket]]] = {}

    @property
    def depth(self) -> int:
        """How many messages wait or are active; delayed ones do not count."""
        behind = sum(len(group) for group in self._behind.values())
        stuck = sum(len(tickets) for tickets in self._stuck.values())
        return len(self._ready) + len(self._active) + behind + stuck

    def reordered(self, *, ordered: bool) -> "Line":
        """A line of the other kind with the same messages; this one if any is active."""
        if ordered == self.ordered or self._active:
            return self
        line = Line(ordered=ordered, concurrency=self.concurrency)
        waiting = [ticket for _, ticket in self._ready]
        waiting += [ticket for *_, ticket in self._delayed]
        waiting += [ticket for tickets in self._stuck.values() for ticket in tickets]
        waiting += [ticket for group in self._behind.values() for _, ticket in group]
        for ticket in sorted(waiting, key=lambda ticket: ticket.seq):
            line.add(ticket)
        return line

    def add(self, ticket: Ticket) -> None:
        """Take a message on."""
        if not self.ordered:
            self._offer(ticket)
        elif (group := self._behind.get(ticket.group)) is None:
            self._behind[ticket.group] = []
            self._offer(ticket)
        else:
            heapq.heappush(group, (ticket.seq, ticket))

    def take(self, now_ms: int) -> list[Ticket]:
        """Hand out what is due, as far as there is room; it is active from now on."""
        self._wake(now_ms)
        taken: list[Ticket] = []
        while self._ready and len(self._active) < self.concurrency:
            _, ticket = heapq.heappop(self._ready)
            target = (ticket.namespace, ticket.function_id)
            if target in self._blocked:
                self._stuck.setdefault(target, []).append(ticket)
            else:
                self._active[ticket.seq] = ticket
                taken.append(ticket)
        return taken

    def finish(self, ticket: Ticket) -> None:
        """An active message is done with, one way or the other."""
        del self._active[ticket.seq]
        if not self.ordered:
            return
        behind = self._behind[ticket.group]
        if behind:
            self._offer(heapq.heappop(behind)[1])
        else:
            del self._behind[ticket.group]

    def give_back(self, ticket: Ticket) -> None:
        """An active message is to be handled again, when its ticket now says."""
        del self._active[ticket.seq]
        self._offer(ticket)

    def block(self, target: Target, until_ms: int) -> None:
        """Nobody serves a function: its messages wait until somebody does, or for a while."""
        self._blocked[target] = until_ms

    def unblock(self, target: Target) -> bool:
        """Somebody serves a function; whether anything has waited for it."""
        if self._blocked.pop(target, None) is None:
            return False
        for ticket in self._stuck.pop(target, []):
            self._offer(ticket)
        return True

    def next_due(self) -> int | None:
        """When there is something to do that nobody tells of; None for never."""
        times = [*self._blocked.values(), *(due for due, *_ in self._delayed[:1])]
        return min(times, default=None)

    def _offer(self, ticket: Ticket) -> None:
        if ticket.due_ms:
            heapq.heappush(self._delayed, (ticket.due_ms, ticket.seq, ticket))
        else:
            heapq.heappush(self._ready, (ticket.seq, ticket))

    def _wake(self, now_ms: int) -> None:
        # First what was blocked: it may have been delayed as well, and be due.
        for target in [target for target, until in self._blocked.items() if until <= now_ms]:
            self.unblock(target)
        while self._delayed and self._delayed[0][0] <= now_ms:
            *_, ticket = heapq.heappop(self._delayed)
            heapq.heappush(self._ready, (ticket.seq, ticket))
