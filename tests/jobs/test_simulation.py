"""Random schedules of messages, kills, cuts, pauses and restarts keep the invariants."""

import pytest

from tests.jobs.simulated import Plan
from tests.jobs.simulator import simulate

PLANS = {
    "everything": Plan(),
    "only kills": Plan(cuts=0, pauses=0, restarts=0, cancels=0, kills=0.5),
    "restarts of the services": Plan(kills=0.02, restarts=0.2),
    "cuts and pauses": Plan(kills=0, cuts=0.3, pauses=0.3),
    "frozen workers": Plan(kills=0, cuts=0, restarts=0, freezes=0.1),
    "poison": Plan(kills=0, cuts=0, pauses=0, restarts=0.02, poison=0.1),
    "peace": Plan(kills=0, cuts=0, pauses=0, restarts=0, poison=0, cancels=0, lost_messages=0),
    "peaceful restarts": Plan(
        kills=0, cuts=0, pauses=0, restarts=0.2, poison=0, cancels=0, lost_messages=0
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("seed", range(12))
def test_invariants_hold(plan: str, seed: int) -> None:
    world = simulate(seed, PLANS[plan])
    assert world.submitted > 100


def test_in_peace_everything_runs_once() -> None:
    world = simulate(1, PLANS["peace"])
    assert set(world.executions.values()) == {1}
    assert {row.state for row in world.store.values()} == {"done"}


@pytest.mark.parametrize("seed", range(6))
def test_restarts_of_the_services_alone_run_nothing_twice(seed: int) -> None:
    world = simulate(seed, PLANS["peaceful restarts"])
    assert set(world.executions.values()) == {1}


def test_a_seed_replays_exactly() -> None:
    first, again = simulate(3), simulate(3)
    assert first.executions == again.executions
    assert first.events == again.events
