"""A pytest plugin: `pytest_plugins = ["agentfx.testing.plugin"]` in `conftest.py`."""

import pytest

from agentfx.interpreters import Backend
from agentfx.testing._both import RunBoth, both_interpreters
from agentfx.testing._in_memory_backend import InMemoryBackend


@pytest.fixture
def backend() -> Backend:
    """Where `run_both` runs programs beside memory; override it to have another."""
    return InMemoryBackend()


@pytest.fixture
def run_both(backend: Backend) -> RunBoth:
    """Runs a program in memory and on `backend`, and gives their one exit."""
    return both_interpreters(backend)
