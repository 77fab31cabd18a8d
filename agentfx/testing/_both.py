"""A fixture that runs a program under both interpreters."""

from collections.abc import Awaitable, Callable
from typing import Any

from agentfx.algebra import AnyEffect, Exit
from agentfx.cluster import run_dist
from agentfx.interpreters import Backend, run_memory

RunBoth = Callable[..., Awaitable[Exit[Any, Any]]]


class ExitsDifferError(AssertionError):
    """A program ends differently in memory and on a backend."""


def both_interpreters(backend: Backend) -> RunBoth:
    """A function that runs a program in memory and on a backend, and gives their one exit.

    Args:
        backend: For `run_dist`; `InMemoryBackend()` where a test needs no processes.

    Example:
        @pytest.fixture
        def run_both():
            return both_interpreters(InMemoryBackend())

        async def test_total(run_both):
            assert await run_both(program) == fx.Ok(42)
    """

    async def run(program: AnyEffect, env: Any = None) -> Exit[Any, Any]:
        in_memory = await run_memory(program, env)
        dist = await run_dist(program, env, backend=backend)
        if in_memory != dist:
            raise ExitsDifferError(f"in memory {in_memory!r}, on the backend {dist!r}")
        return dist

    return run
