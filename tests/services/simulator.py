"""A queue's line under a random schedule: messages, failures, deaths and restarts, by one seed."""

from dataclasses import replace
from random import Random

from agentfx.services._store import Ticket
from agentfx.services.queue._line import Line
from tests.invariant import check

TARGETS = [("default", "f"), ("default", "g")]
GROUPS = [None, "a", "b"]
MOST_ATTEMPTS = 4


class Queueing:
    """A line, the rows that the store has, and what is handed out."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a schedule that can be replayed, no secret
        self.ordered, self.concurrency = self.random.random() < 0.5, self.random.randint(1, 4)
        self.now = self.seq = self.events = 0
        self.rows: dict[int, Ticket] = {}
        self.active: dict[int, Ticket] = {}
        self.served = dict.fromkeys(TARGETS, True)
        self.done: dict[int, str] = {}
        self.line = self._fresh()

    def _fresh(self) -> Line:
        line = Line(ordered=self.ordered, concurrency=self.concurrency)
        for seq in sorted(self.rows):
            line.add(self.rows[seq])
        return line

    def run(self, events: int) -> None:
        """A time of trouble; then every message comes to its end, in order where that counts."""
        acts = [self._add] * 4 + [self._take] * 4 + [self._end] * 5
        acts += [self._fail] * 2 + [self._change_servers, self._crash]
        for _ in range(events):
            self.events += 1
            self.now += self.random.randint(0, 20)
            self.random.choice(acts)()
        for target in TARGETS:
            self.served[target] = True
            self.line.unblock(target)
        while self.rows:
            before = len(self.rows)
            self.now += 10_000
            self._take()
            check(bool(self.active), f"{before} messages that are never handed out")
            while self.active:
                self._end()
        check(len(self.done) == self.seq, "a message is lost")

    def _add(self) -> None:
        self.seq += 1
        ticket = Ticket(self.seq, *self.random.choice(TARGETS), self.random.choice(GROUPS))
        self.rows[self.seq] = ticket
        self.line.add(ticket)

    def _take(self) -> None:
        for ticket in self.line.take(self.now):
            check(ticket.seq in self.rows, "a message that has ended is handed out")
            check(ticket.seq not in self.active, "a message is handed out twice")
            check(ticket.due_ms <= self.now, "a message is handed out too early")
            target = (ticket.namespace, ticket.function_id)
            if not self.served[target]:
                self.line.block(target, self.now + 500)
                self.line.give_back(ticket)
                continue
            self._keeps_order(ticket)
            self.active[ticket.seq] = ticket
        check(len(self.active) <= self.concurrency, "more than the concurrency is active")

    def _keeps_order(self, ticket: Ticket) -> None:
        if self.ordered:
            older = [t for t in self.rows.values() if t.group == ticket.group]
            check(min(t.seq for t in older) == ticket.seq, "a group is out of order")

    def _end(self) -> None:
        if self.active:
            seq = self.random.choice(list(self.active))
            self._finish(seq, "done")

    def _finish(self, seq: int, how: str) -> None:
        check(seq not in self.done, "a message ends twice")
        self.done[seq] = how
        del self.rows[seq]
        self.line.finish(self.active.pop(seq))

    def _fail(self) -> None:
        if not self.active:
            return
        seq = self.random.choice(list(self.active))
        ticket = self.active[seq]
        if ticket.attempts + 1 >= MOST_ATTEMPTS:
            self._finish(seq, "dead")
            return
        again = replace(ticket, attempts=ticket.attempts + 1, due_ms=self.now + 50)
        self.rows[seq] = again
        del self.active[seq]
        self.line.give_back(again)

    def _change_servers(self) -> None:
        target = self.random.choice(TARGETS)
        self.served[target] = not self.served[target]
        if self.served[target]:
            self.line.unblock(target)

    def _crash(self) -> None:
        """What was active waits again; the store has all of it."""
        self.active.clear()
        self.line = self._fresh()


def simulate(seed: int, events: int) -> Queueing:
    """Some time in a queue's life.

    Raises:
        InvariantError: Something happened that must not; the seed replays it.
    """
    queueing = Queueing(seed)
    try:
        queueing.run(events)
    except AssertionError as error:
        error.add_note(f"queue, seed {seed}, event {queueing.events} of {events}")
        raise
    return queueing
