"""Both interpreters behind one call."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import agentfx as fx
from agentfx.algebra import AnyEffect, Exit
from agentfx.testing import InMemoryBackend

Interpret = Callable[..., Awaitable[Exit[Any, Any]]]


@pytest.fixture(params=["memory", "dist"])
def interpret(request: pytest.FixtureRequest) -> Interpret:
    """`run_memory`, or `run_dist` on a backend in memory."""
    if request.param == "memory":
        return fx.run_memory

    async def dist(program: AnyEffect, env: Any = None) -> Exit[Any, Any]:
        return await fx.run_dist(program, env, backend=InMemoryBackend())

    return dist
