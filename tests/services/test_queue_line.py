"""What a line hands out, whatever happens to it."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentfx.services._store import Ticket
from agentfx.services.queue._line import Line

FUNCTIONS = [("default", "f"), ("default", "g")]
GROUPS: list[str | None] = [None, "a", "b"]


class LineMachine(RuleBasedStateMachine):
    """A line, and beside it which tickets should be where."""

    @initialize(ordered=st.booleans(), concurrency=st.integers(0, 3))
    def begin(self, ordered: bool, concurrency: int) -> None:
        self.line = Line(ordered=ordered, concurrency=concurrency)
        self.now = 1
        self.seq = 0
        self.inside: dict[int, Ticket] = {}
        self.active: dict[int, Ticket] = {}
        self.blocked: dict[tuple[str, str], int] = {}

    @rule(
        function=st.sampled_from(FUNCTIONS), group=st.sampled_from(GROUPS), delay=st.integers(0, 3)
    )
    def add(self, function: tuple[str, str], group: str | None, delay: int) -> None:
        self.seq += 1
        due = self.now + delay if delay else 0
        ticket = Ticket(self.seq, *function, group, due_ms=due)
        self.inside[ticket.seq] = ticket
        self.line.add(ticket)

    @rule()
    def take(self) -> None:
        for ticket in self.line.take(self.now):
            assert self.inside.pop(ticket.seq) == ticket, "handed out what it does not have"
            assert ticket.due_ms <= self.now
            assert self.blocked.get((ticket.namespace, ticket.function_id), 0) <= self.now
            if self.line.ordered:
                self._oldest_of_its_group(ticket)
            self.active[ticket.seq] = ticket

    def _oldest_of_its_group(self, ticket: Ticket) -> None:
        same = (*self.inside.values(), *self.active.values())
        assert all(one.seq > ticket.seq for one in same if one.group == ticket.group)

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(sorted(self.active)))
        self.line.finish(self.active.pop(seq))

    @precondition(lambda self: self.active)
    @rule(data=st.data(), delay=st.integers(0, 3))
    def give_back(self, data: st.DataObject, delay: int) -> None:
        seq = data.draw(st.sampled_from(sorted(self.active)))
        ticket = self.active.pop(seq)
        due = self.now + delay if delay else 0
        again = replace(ticket, attempts=ticket.attempts + 1, due_ms=due)
        self.inside[seq] = again
        self.line.give_back(again)

    @rule(function=st.sampled_from(FUNCTIONS), delay=st.integers(1, 4))
    def block(self, function: tuple[str, str], delay: int) -> None:
        self.blocked[function] = self.now + delay
        self.line.block(function, self.now + delay)

    @rule(function=st.sampled_from(FUNCTIONS))
    def unblock(self, function: tuple[str, str]) -> None:
        self.blocked.pop(function, None)
        self.line.unblock(function)

    @rule(milliseconds=st.integers(1, 5))
    def wait(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(concurrency=st.integers(0, 4))
    def tune(self, concurrency: int) -> None:
        self.line.concurrency = concurrency

    @precondition(lambda self: not self.active)
    @rule(ordered=st.booleans())
    def reorder(self, ordered: bool) -> None:
        if ordered != self.line.ordered:
            self.blocked.clear()
        self.line = self.line.reordered(ordered=ordered)

    @invariant()
    def counts(self) -> None:
        delayed = sum(ticket.due_ms > self.now for ticket in self.inside.values())
        assert self.line.depth <= len(self.inside) + len(self.active)
        assert self.line.depth >= len(self.inside) + len(self.active) - delayed - self._may_be_due()

    def _may_be_due(self) -> int:
        # Due tickets count as waiting only once they were looked for.
        return sum(0 < ticket.due_ms <= self.now for ticket in self.inside.values())

    def teardown(self) -> None:
        """In the end everything is handed out."""
        if not hasattr(self, "line"):
            return
        self.line.concurrency = 1000
        for _ in range(2 * self.seq + 2):
            for ticket in list(self.active.values()):
                self.finish_one(ticket)
            self.take()
            if not self.inside and not self.active:
                break
            due = self.line.next_due()
            self.now = max(self.now, due or 0)
        assert not self.inside, "left behind"

    def finish_one(self, ticket: Ticket) -> None:
        del self.active[ticket.seq]
        self.line.finish(ticket)


TestLine = pytest.mark.slow(LineMachine.TestCase)
TestLine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_never_more_than_the_concurrency() -> None:
    line = Line(ordered=False, concurrency=2)
    for seq in range(1, 5):
        line.add(Ticket(seq, "default", "f"))
    first = line.take(0)
    assert [ticket.seq for ticket in first] == [1, 2]
    assert line.take(0) == []
    line.finish(first[0])
    assert [ticket.seq for ticket in line.take(0)] == [3]
    line.concurrency = 0
    line.finish(first[1])
    assert line.take(0) == []


def test_a_returned_message_goes_to_the_front() -> None:
    line = Line(ordered=False, concurrency=1)
    for seq in (1, 2, 3):
        line.add(Ticket(seq, "default", "f"))
    (first,) = line.take(0)
    line.give_back(first)
    assert line.take(0) == [first]


def test_a_failing_group_waits_and_the_others_do_not() -> None:
    line = Line(ordered=True, concurrency=10)
    for seq, group in ((1, "a"), (2, "a"), (3, "b"), (4, "b")):
        line.add(Ticket(seq, "default", "f", group))
    a, b = line.take(0)
    assert (a.seq, b.seq) == (1, 3)
    line.give_back(replace(a, due_ms=100))
    line.finish(b)
    assert [ticket.seq for ticket in line.take(50)] == [4]
    assert line.next_due() == 100
    assert [ticket.seq for ticket in line.take(100)] == [1]


def test_a_missing_function_keeps_only_its_own_messages_waiting() -> None:
    line = Line(ordered=False, concurrency=1)
    for seq, function in ((1, "missing"), (2, "there"), (3, "missing")):
        line.add(Ticket(seq, "default", function))
    (first,) = line.take(0)
    line.block(("default", "missing"), 60)
    line.give_back(first)
    (second,) = line.take(0)
    assert second.seq == 2
    line.finish(second)
    assert line.take(0) == []
    assert line.depth == 2
    assert not line.unblock(("default", "there"))
    assert line.unblock(("default", "missing"))
    assert [ticket.seq for ticket in line.take(0)] == [1]


def test_what_was_blocked_is_tried_again_after_a_while() -> None:
    line = Line(ordered=False, concurrency=1)
    line.add(Ticket(1, "default", "f"))
    line.block(("default", "f"), 60)
    assert line.take(59) == []
    assert line.next_due() == 60
    assert [ticket.seq for ticket in line.take(60)] == [1]


def test_what_was_delayed_and_blocked_is_handed_out_at_once_in_the_end() -> None:
    line = Line(ordered=False, concurrency=1)
    line.add(Ticket(1, "default", "f", due_ms=3))
    line.block(("default", "f"), 4)
    assert line.take(3) == []
    assert [ticket.seq for ticket in line.take(4)] == [1]
