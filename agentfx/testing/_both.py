"""A fixture that runs a program under both interpreters."""

from typing import Any, Protocol

from typing_extensions import TypeVar

from agentfx.algebra import Effect, Exit
from agentfx.cluster import run_dist
from agentfx.interpreters import Backend, run_memory

A = TypeVar("A")
E = TypeVar("E")


class RunBoth(Protocol):
    """Runs a program under both interpreters."""

    async def __call__(self, program: Effect[A, E, Any], env: Any = None) -> Exit[A, E]:
        """Run a program; its one exit.

        Raises:
            ExitsDifferError: There are two.
        """
        ...


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

    async def run(program: Effect[A, E, Any], env: Any = None) -> Exit[A, E]:
        in_memory = await run_memory(program, env)
        dist = await run_dist(program, env, backend=backend)
        if in_memory != dist:
            raise ExitsDifferError(f"in memory {in_memory!r}, on the backend {dist!r}")
        return dist

    return run
