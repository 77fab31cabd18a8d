"""A short share of `make chaos`: a few kills at random, by one seed."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.random_kills import kill_at_random

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(300)]


async def test_runs_end_as_in_memory_whatever_is_killed(tmp_path: Path) -> None:
    found = await kill_at_random(tmp_path, 8, Random(7))  # noqa: S311 - no secret
    assert sum(found.struck.values()) >= 8
    assert found.runs >= 2
