"""`config.yaml`: an iii configuration in the form of engine 0.21.4."""

from dataclasses import dataclass

from agentfx.services.queue import QueueSettings
from agentfx.services.state import StateSettings


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What a configuration file asks for.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        state: How `state::*` behaves, None if it is not wanted.
        queue: How the queues behave, None if they are not wanted.
    """

    host: str
    port: int
    state: StateSettings | None
    queue: QueueSettings | None
