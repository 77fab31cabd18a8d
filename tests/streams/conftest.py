"""Both interpreters behind one call, by a clock that a test has in hand."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentfx.algebra import AnyEffect, Exit
from tests.streams.clock import INTERPRETERS, ManualClock

Run = Callable[[AnyEffect], Awaitable[Exit[Any, Any]]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=INTERPRETERS)
def run(request: pytest.FixtureRequest, clock: ManualClock) -> Run:
    """`run_memory` or `run_dist`, by that clock."""
    interpret = INTERPRETERS[request.param]
    return lambda program: interpret(program, clock)
