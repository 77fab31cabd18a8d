"""What a simulation of dispatch is made of: jobs on record, processes, and a plan of deaths."""

from collections.abc import Callable
from dataclasses import dataclass, field

from agentfx.jobs import Holding, Route


@dataclass
class Row:
    """A job in the store: what survives everything."""

    route: Route
    at_most_once: bool
    state: str = "open"
    outcome: str | None = None
    deliveries: int = 0
    holder: str | None = None
    alone: bool = False
    shared: int = 0
    lone: int = 0


@dataclass
class Process:
    """A worker's process."""

    id: str
    slots: int
    tasks: frozenset[str]
    holding: Holding
    linked: bool = True
    greeted: bool = False
    paused_until: float = 0.0
    generation: int = 0
    running: dict[str, float] = field(default_factory=dict[str, float])
    kept: set[str] = field(default_factory=set[str])
    inbox: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])


@dataclass
class Plan:
    """How much goes wrong, in events per simulated second."""

    seconds: float = 60.0
    kills: float = 0.1
    cuts: float = 0.05
    pauses: float = 0.05
    restarts: float = 0.03
    poison: float = 0.02
    cancels: float = 0.02
    freezes: float = 0.0
    lost_messages: float = 0.002
    unseen_deaths: float = 0.2
