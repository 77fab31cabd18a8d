"""How the processes of a cluster are started; light, for those who only start them."""

from dataclasses import dataclass, field

DEFAULT_SLOTS = 4
INFO = "agentfx::services::info"
"""Function that says which services an engine has; they answer it as long as they are well."""
BROKEN = 70
"""Exit status of an engine whose disk failed under a commit: start it again on what is there."""
SERVED = 71
"""Exit status of services whose engine has others."""
REFUSED = 78
"""Exit status of a process that cannot do what it is started for: it has said why, in one line."""
RESTART_ME = 75
"""Exit status of a worker that wants to be started again: a task holds one of its threads."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker is started.

    Attributes:
        label: Such as `w1`.
        url: Of the engine.
        token: For it.
        slots: Jobs at once.
        modules: Whose tasks it brings.
        home: Where it finds bundles of code, None for a worker on its own.
        path: Put in front of `sys.path`.
    """

    label: str
    url: str
    token: str | None = field(repr=False)
    slots: int = DEFAULT_SLOTS
    modules: list[str] = field(default_factory=list[str])
    home: str | None = None
    path: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class ForeignOptions:
    """How a worker in any language is started.

    Attributes:
        label: Its name in the cluster.
        command: Run by a shell, in `folder`.
        url: Of the engine, handed over as III_URL.
        token: For it, handed over as III_TOKEN.
    """

    label: str
    command: str
    folder: str
    url: str
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine is started.

    Attributes:
        home: Where the store is.
        port: 0 for any, None for the one of the configuration.
        token: Clients have to send it.
        config: An iii configuration file.
        services: Whether it hosts the services, or leaves that to a worker.
    """

    home: str
    port: int | None
    token: str | None = field(repr=False)
    config: str | None = None
    services: bool = True


@dataclass(frozen=True, slots=True)
class ServicesOptions:
    """How services for an engine that runs already are started.

    Attributes:
        home: Where the store is.
        url: Of the engine.
        token: For it.
        config: An iii configuration file: what it says of state and queues counts.
    """

    home: str
    url: str
    token: str | None = field(repr=False)
    config: str | None = None
