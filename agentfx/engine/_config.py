"""`config.yaml`: an iii configuration in the form of engine 0.21.4."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> EngineConfig:
    """Read a configuration file.

    Args:
        path: YAML; `${NAME:default}` stands for an environment variable.
        environ: The variables.

    Raises:
        ConfigError: It cannot be read, or holds a key that is not known, a value of another
            type, or a variable that is not set and has no default.
    """
    # pydantic takes longer to import than everything else here.
    from agentfx.engine._config_file import parse

    return parse(path, environ)
