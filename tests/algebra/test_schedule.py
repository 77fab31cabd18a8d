"""When a replayable effect is tried again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentfx as fx


class Busy(fx.Failure):
    after: int


VIOLATION = fx.ContractViolation(task="t", where="input", errors=())


@given(
    st.floats(0.001, 10), st.floats(0.001, 10), st.integers(1, 9), st.floats(0, 1, exclude_max=True)
)
def test_delays_double_up_to_the_cap_with_jitter(
    base: float, cap: float, attempts: int, chance: float
) -> None:
    schedule = fx.exponential(base, cap=cap, attempts=attempts)
    for attempt in range(1, attempts):
        full = min(base * 2 ** (attempt - 1), cap)
        delay = schedule.delay_after(attempt, Busy(after=1), chance)
        assert delay is not None
        assert full / 2 <= delay <= full
    assert schedule.delay_after(attempts, Busy(after=1), chance) is None


def test_a_contract_violation_is_not_tried_again_unless_asked() -> None:
    assert fx.Schedule(3).delay_after(1, VIOLATION, 0) is None
    assert fx.exponential(0.1, when=lambda e: True).delay_after(1, VIOLATION, 0) is not None


def test_when_decides() -> None:
    schedule = fx.exponential(0.1, when=lambda e: isinstance(e, Busy))
    assert schedule.delay_after(1, Busy(after=1), 0.5) is not None
    assert schedule.delay_after(1, fx.TimedOut(seconds=1), 0.5) is None


@pytest.mark.parametrize("attempts", [0, -1])
def test_at_least_one_attempt_is_made(attempts: int) -> None:
    with pytest.raises(ValueError, match="at least 1 attempt"):
        fx.Schedule(attempts)
