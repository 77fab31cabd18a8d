"""What a stream decides, without time and tasks."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import agentfx as fx
from agentfx.algebra import AnyStream, stages_of
from agentfx.streams import Arm, Begin, Disarm, Drop, Flow


class Boom(fx.Failure):
    pass


def work(item: Any) -> fx.Effect[Any]:
    return fx.succeed(item)


def switched(item: Any, fence: fx.Fence) -> fx.Effect[Any]:
    return fx.succeed(item)


def flow(build: Callable[[fx.Stream[int]], AnyStream]) -> Flow:
    source: fx.Stream[int] = fx.Stream.of()
    return Flow(stages_of(build(source))[1])


def test_an_ended_source_is_not_wanted_any_more() -> None:
    merge = flow(lambda s: s.merge_map(work))
    merge.item(1)
    assert merge.wants_items
    merge.closed()
    assert (merge.wants_items, merge.exit) == (False, None)


def test_without_stages_the_items_are_the_values() -> None:
    plain = flow(lambda s: s)
    assert plain.item(1) == plain.item(2) == plain.closed() == []
    assert plain.exit == fx.Ok([1, 2])


def test_an_empty_stream_ends_empty() -> None:
    empty = flow(lambda s: s.map(str).merge_map(work).debounce(1).take(3))
    assert empty.closed() == []
    assert empty.exit == fx.Ok([])


def test_a_newer_item_drops_what_runs_for_an_older_one() -> None:
    switch = flow(lambda s: s.switch_map(switched))
    assert switch.item("a") == [Begin(0, 1, "a")]
    assert switch.item("b") == [Drop(0, 1), Begin(0, 2, "b")]
    assert not switch.runs(0, 1)
    assert switch.ended(0, 1, fx.Ok("late")) == []
    assert switch.closed() == []
    assert switch.exit is None
    switch.ended(0, 2, fx.Ok("B"))
    assert switch.exit == fx.Ok(["B"])


def test_values_of_merge_map_come_as_they_are_ready() -> None:
    merge = flow(lambda s: s.merge_map(work, 2))
    assert [merge.item(n) for n in (1, 2, 3)] == [[Begin(0, 1, 1)], [Begin(0, 2, 2)], []]
    assert merge.backlog == 1
    assert merge.ended(0, 2, fx.Ok("two")) == [Begin(0, 3, 3)]
    merge.closed()
    merge.ended(0, 3, fx.Ok("three"))
    merge.ended(0, 1, fx.Ok("one"))
    assert merge.exit == fx.Ok(["two", "three", "one"])


def test_concat_map_runs_one_after_another() -> None:
    concat = flow(lambda s: s.concat_map(work))
    assert [concat.item(n) for n in (1, 2)] == [[Begin(0, 1, 1)], []]
    assert concat.ended(0, 1, fx.Ok("one")) == [Begin(0, 2, 2)]


def test_debounce_lets_through_what_nothing_follows() -> None:
    quiet = flow(lambda s: s.debounce(3))
    assert quiet.item(1) == [Arm(0, 1, 3)]
    assert quiet.item(2) == [Disarm(0, 1), Arm(0, 2, 3)]
    assert quiet.silent(0, 1) == []  # its timer had fired in the same moment
    assert quiet.silent(0, 2) == []
    assert quiet.silent(0, 2) == []  # once
    assert quiet.item(3) == [Arm(0, 3, 3)]
    assert quiet.closed() == [Disarm(0, 3)]
    assert quiet.exit == fx.Ok([2, 3])


def test_take_cancels_what_stands_before_it() -> None:
    two = flow(lambda s: s.debounce(1).merge_map(work, 9).take(2).merge_map(work))
    first = two.item("a") + two.silent(0, 1) + two.item("b") + two.silent(0, 2)
    assert [a for a in first if isinstance(a, Begin)] == [Begin(1, 1, "a"), Begin(1, 2, "b")]
    two.item("c")
    two.silent(0, 3)
    two.item("d")
    assert two.ended(1, 2, fx.Ok("B")) == [Begin(3, 1, "B")]
    assert two.ended(1, 1, fx.Ok("A")) == [Disarm(0, 4), Drop(1, 3), Begin(3, 2, "A")]
    assert not two.wants_items
    assert two.item("e") == []
    two.ended(3, 1, fx.Ok("B!"))
    assert two.exit is None
    two.ended(3, 2, fx.Ok("A!"))
    assert two.exit == fx.Ok(["B!", "A!"])


def test_nothing_is_wanted_by_take_0() -> None:
    none = flow(lambda s: s.take(0))
    assert (none.wants_items, none.exit) == (False, fx.Ok([]))


def test_the_first_failure_ends_a_stream_and_drops_the_rest() -> None:
    merge = flow(lambda s: s.merge_map(work, 2).map(str))
    for n in (1, 2, 3):
        merge.item(n)
    assert merge.ended(0, 2, fx.Err(Boom())) == [Drop(0, 1)]
    assert merge.exit == fx.Err(Boom())
    assert merge.item(4) == merge.closed() == merge.ended(0, 1, fx.Ok(1)) == []


def test_a_hundred_thousand_stages_need_no_recursion() -> None:
    stream: fx.Stream[int] = fx.Stream.of(1)
    for _ in range(50_000):
        stream = stream.map(lambda n: n + 1).take(5)
    assert "more" in repr(stream)
    deep = Flow(stages_of(stream)[1])
    deep.item(1)
    deep.closed()
    assert deep.exit == fx.Ok([50_001])


@given(
    st.lists(st.sampled_from(("item", "end", "fail")), max_size=40),
    st.integers(1, 4),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_merge_map_never_runs_more_than_it_may_and_loses_nothing(
    events: list[str], width: int, count: int, random: Any
) -> None:
    merge = flow(lambda s: s.merge_map(work, width).take(count))
    running: set[int] = set()
    sent, values, failed = 0, list[int](), False
    for event in [*events, *["end"] * 50]:
        actions: list[Any] = []
        if event == "item":
            sent += merge.wants_items
            actions = merge.item(sent)
        elif running:
            number = random.choice(sorted(running))
            running.discard(number)
            failed = failed or event == "fail"
            actions = merge.ended(0, number, fx.Err(Boom()) if event == "fail" else fx.Ok(number))
            values += [number] * (event == "end" and len(values) < count)
        for action in actions:
            match action:
                case Begin():
                    assert action.value == action.number
                    running.add(action.number)
                case Drop():
                    running.discard(action.number)
                case _:
                    raise AssertionError(action)
        assert len(running) <= width
        if failed:
            assert (running, merge.exit) == (set(), fx.Err(Boom()))
            return
    merge.closed()
    assert merge.exit == fx.Ok(values)
    assert len(values) == min(sent, count)
