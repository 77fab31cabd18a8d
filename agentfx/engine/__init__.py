"""The embedded engine: the iii protocol, served by this process."""

from agentfx.engine._config import EngineConfig as EngineConfig
from agentfx.engine._errors import ConfigError as ConfigError
from agentfx.engine._errors import EngineError as EngineError
from agentfx.engine._errors import PortInUseError as PortInUseError
from agentfx.engine._load_config import load_config as load_config
from agentfx.engine._server import Engine as Engine
