"""Random traffic keeps the promises of the routing."""

import pytest

from tests.engine.simulator import simulate


@pytest.mark.parametrize("seed", range(8))
def test_every_call_has_one_answer(seed: int) -> None:
    traffic = simulate(seed, 1500)
    assert traffic.asked > 200


def test_a_seed_replays_exactly() -> None:
    assert simulate(3, 500).told == simulate(3, 500).told
