"""Random schedules of drivers, workers and restarts keep what is on record."""

from pathlib import Path

import pytest

from tests.services.dispatch.simulator import simulate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_acknowledged_stays(seed: int, tmp_path: Path) -> None:
    story = await simulate(seed, 150, tmp_path)
    assert story.outcomes
    assert story.steps
