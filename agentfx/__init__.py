"""agentfx: durable programs from a small typed algebra of effects.

One typed program, two interpreters: `run_memory` walks it in this process, `run_dist` on an iii
engine, where it survives the death of a worker, of the engine and of this process.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from agentfx.algebra import Action as Action
from agentfx.algebra import Capability as Capability
from agentfx.algebra import ContractViolation as ContractViolation
from agentfx.algebra import Do as Do
from agentfx.algebra import Effect as Effect
from agentfx.algebra import Err as Err
from agentfx.algebra import Exit as Exit
from agentfx.algebra import Failure as Failure
from agentfx.algebra import Fence as Fence
from agentfx.algebra import Given as Given
from agentfx.algebra import Ok as Ok
from agentfx.algebra import Replayable as Replayable
from agentfx.algebra import Schedule as Schedule
from agentfx.algebra import Stream as Stream
from agentfx.algebra import Superseded as Superseded
from agentfx.algebra import Task as Task
from agentfx.algebra import TaskContext as TaskContext
from agentfx.algebra import TaskError as TaskError
from agentfx.algebra import TimedOut as TimedOut
from agentfx.algebra import action as action
from agentfx.algebra import attempt as attempt
from agentfx.algebra import catch_all as catch_all
from agentfx.algebra import do as do
from agentfx.algebra import exponential as exponential
from agentfx.algebra import fail as fail
from agentfx.algebra import flat_map as flat_map
from agentfx.algebra import for_each as for_each
from agentfx.algebra import for_each_par as for_each_par
from agentfx.algebra import for_each_task as for_each_task
from agentfx.algebra import map_ as map_
from agentfx.algebra import on as on
from agentfx.algebra import provide as provide
from agentfx.algebra import retry as retry
from agentfx.algebra import sleep as sleep
from agentfx.algebra import succeed as succeed
from agentfx.algebra import task as task
from agentfx.interpreters import Backend as Backend
from agentfx.interpreters import NonDeterminismError as NonDeterminismError
from agentfx.interpreters import Run as Run
from agentfx.interpreters import RunCancelledError as RunCancelledError
from agentfx.interpreters import run_memory as run_memory
from agentfx.interpreters import run_memory_sync as run_memory_sync
from agentfx.interpreters import step_key as step_key

if TYPE_CHECKING:
    from agentfx.cluster import Cluster as Cluster
    from agentfx.cluster import ClusterError as ClusterError
    from agentfx.cluster import cancel as cancel
    from agentfx.cluster import connect as connect
    from agentfx.cluster import local as local
    from agentfx.cluster import prune as prune
    from agentfx.cluster import resume as resume
    from agentfx.cluster import run_dist as run_dist
    from agentfx.cluster import run_dist_sync as run_dist_sync
    from agentfx.cluster import runs as runs
    from agentfx.cluster import start as start
    from agentfx.contracts import RemoteFailure as RemoteFailure
    from agentfx.contracts import remote as remote
    from agentfx.jobs._event import Event as Event
    from agentfx.notebook import contract as contract

__version__ = "0.1.0"

# Imported when first used: they bring pydantic or the iii SDK, which a program may not need.
_LATE = {
    **dict.fromkeys(("RemoteFailure", "remote"), "agentfx.contracts"),
    "Event": "agentfx.jobs._event",
    "contract": "agentfx.notebook",
    **dict.fromkeys(
        (
            "Cluster", "ClusterError", "cancel", "connect", "local", "prune", "resume",
            "run_dist", "run_dist_sync", "runs", "start",
        ),
        "agentfx.cluster",
    ),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'agentfx' has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE} - {"Any", "TYPE_CHECKING", "import_module"})


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext agentfx`: magics, live panels and displays."""
    import_module("agentfx.notebook").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext agentfx`: takes them away, and lets go of the cluster."""
    import_module("agentfx.notebook").unload(shell)
