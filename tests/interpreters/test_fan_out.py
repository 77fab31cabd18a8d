"""The window of a fan-out, as decisions: its exit does not depend on who ends first."""

from hypothesis import given
from hypothesis import strategies as st

import agentfx as fx
from agentfx.interpreters._fan_out import FanOut


class Boom(fx.Failure):
    n: int


@given(st.data(), st.integers(0, 12), st.integers(1, 5), st.sets(st.integers(0, 11)))
def test_any_order_of_ends_gives_the_same_exit(
    data: st.DataObject, count: int, width: int, failing: set[int]
) -> None:
    fan = FanOut(count, width)
    running = list(fan.start())
    cancelled: set[int] = set()
    while fan.exit is None:
        assert 0 < len(running) <= width
        index = running.pop(data.draw(st.integers(0, len(running) - 1)))
        exit_ = fx.Err(Boom(n=index)) if index in failing else fx.Ok(index)
        for other in fan.end(index, exit_):
            assert other > index
            cancelled.add(other)
            running.remove(other)
        running += fan.start()
    lowest = min((n for n in failing if n < count), default=None)
    if lowest is None:
        assert fan.exit == fx.Ok(list(range(count)))
    else:
        assert fan.exit == fx.Err(Boom(n=lowest))
        assert all(other > lowest for other in cancelled)


def test_the_exit_of_a_cancelled_item_does_not_count() -> None:
    fan = FanOut(3, 3)
    fan.start()
    assert fan.end(1, fx.Err(Boom(n=1))) == [2]
    assert fan.end(2, fx.Err(Boom(n=2))) == []
    assert fan.exit is None
    fan.end(0, fx.Ok(0))
    assert fan.exit == fx.Err(Boom(n=1))
