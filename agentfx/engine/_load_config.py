"""Reading `config.yaml`, without the cost of pydantic for those who do not."""

import os
from collections.abc import Mapping
from pathlib import Path

from agentfx.engine._config import EngineConfig


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
