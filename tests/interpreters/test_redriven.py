"""A dead letter that is redriven while its driver is about to go on past it."""

from collections.abc import Sequence

import agentfx as fx
from agentfx.interpreters import JournalStep, RedrivenError, RunDriver
from agentfx.testing import InMemoryBackend
from tests.interpreters.clock import StepClock

crashes: list[bool] = []


@fx.task("redriven::flaky")
async def flaky(n: int) -> int:
    if crashes.pop():
        raise RuntimeError("no")
    return n


class Redriving(InMemoryBackend):
    """Runs a dead job again just before its driver notes that it is dead."""

    async def put_once(
        self, run: str, epoch: int, steps: Sequence[JournalStep]
    ) -> list[tuple[str, str]]:
        if crashes and "#" in steps[0].path:
            known = self._runs[run]
            known.settled.clear()
            raise RedrivenError("it is run again")
        return await super().put_once(run, epoch, steps)


async def test_the_driver_waits_for_the_new_outcome() -> None:
    crashes[:] = [False, True]
    backend = Redriving()
    exit_ = await RunDriver(backend, "run", flaky(3), None, None, StepClock()).run()
    assert exit_ == fx.Ok(3)
    assert crashes == []
