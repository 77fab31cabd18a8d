"""Processes of this machine: engine, workers, the supervisor that keeps them, and drivers."""

from collections.abc import Callable

from agentfx.cluster._about import About as About
from agentfx.cluster._cluster import Cluster as Cluster
from agentfx.cluster._cluster import Engine as Engine
from agentfx.cluster._cluster import connect as connect
from agentfx.cluster._cluster import enclosing as enclosing
from agentfx.cluster._cluster import local as local
from agentfx.cluster._cluster import open_engine as open_engine
from agentfx.cluster._control import ControlError as ControlError
from agentfx.cluster._doctor import Finding as Finding
from agentfx.cluster._doctor import finding as finding
from agentfx.cluster._doctor import machine_findings as machine_findings
from agentfx.cluster._find import ClusterError as ClusterError
from agentfx.cluster._find import Found as Found
from agentfx.cluster._find import attach as attach
from agentfx.cluster._find import find_engine as find_engine
from agentfx.cluster._home import Home as Home
from agentfx.cluster._options import EngineOptions as EngineOptions
from agentfx.cluster._options import ServicesOptions as ServicesOptions
from agentfx.cluster._options import WorkerOptions as WorkerOptions
from agentfx.cluster._running import ProgramError as ProgramError
from agentfx.cluster._running import cancel as cancel
from agentfx.cluster._running import is_program as is_program
from agentfx.cluster._running import load_program as load_program
from agentfx.cluster._running import prune as prune
from agentfx.cluster._running import resume as resume
from agentfx.cluster._running import run_dist as run_dist
from agentfx.cluster._running import run_dist_sync as run_dist_sync
from agentfx.cluster._running import runs as runs
from agentfx.cluster._running import start as start


def run_engine(options: EngineOptions, ready: Callable[[str], None] | None = None) -> int:
    """See `_engine_process`; imported when it is needed."""
    from agentfx.cluster._engine_process import run_engine as run

    return run(options, ready)


def run_services(options: ServicesOptions) -> int:
    """See `_services_process`; imported when it is needed."""
    from agentfx.cluster._services_process import run_services as run

    return run(options)


def run_worker(options: WorkerOptions) -> int:
    """See `_worker`; imported when it is needed."""
    from agentfx.cluster._worker import run_worker as run

    return run(options)
