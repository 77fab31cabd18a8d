"""Processes of this machine: engine, workers, the supervisor that keeps them, and drivers."""

from agentfx.cluster._cluster import Cluster as Cluster
from agentfx.cluster._cluster import Engine as Engine
from agentfx.cluster._cluster import connect as connect
from agentfx.cluster._cluster import enclosing as enclosing
from agentfx.cluster._cluster import local as local
from agentfx.cluster._control import ControlError as ControlError
from agentfx.cluster._find import ClusterError as ClusterError
from agentfx.cluster._find import find_engine as find_engine
from agentfx.cluster._home import Home as Home
from agentfx.cluster._running import cancel as cancel
from agentfx.cluster._running import load_program as load_program
from agentfx.cluster._running import prune as prune
from agentfx.cluster._running import resume as resume
from agentfx.cluster._running import run_dist as run_dist
from agentfx.cluster._running import run_dist_sync as run_dist_sync
from agentfx.cluster._running import runs as runs
from agentfx.cluster._running import start as start
