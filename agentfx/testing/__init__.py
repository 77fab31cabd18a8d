"""A public kit for tests: a backend in memory, laws of backends, both interpreters at once."""

from agentfx.testing import _backend_laws as backend_laws
from agentfx.testing._alone import Alone as Alone
from agentfx.testing._both import ExitsDifferError as ExitsDifferError
from agentfx.testing._both import RunBoth as RunBoth
from agentfx.testing._both import both_interpreters as both_interpreters
from agentfx.testing._in_memory_backend import InMemoryBackend as InMemoryBackend
from agentfx.testing._tasks import double as double

__all__ = [
    "Alone",
    "ExitsDifferError",
    "InMemoryBackend",
    "RunBoth",
    "backend_laws",
    "both_interpreters",
    "double",
]
