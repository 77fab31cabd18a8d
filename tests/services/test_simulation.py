"""Random schedules keep the promises of a queue."""

import pytest

from tests.services.simulator import simulate


@pytest.mark.parametrize("seed", range(12))
def test_no_message_is_lost_or_handed_out_twice(seed: int) -> None:
    queueing = simulate(seed, 1000)
    assert queueing.seq > 150


def test_a_seed_replays_exactly() -> None:
    assert simulate(3, 800).done == simulate(3, 800).done
