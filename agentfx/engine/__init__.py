"""The embedded engine: the iii protocol, served by this process."""

from agentfx.engine._errors import ConfigError as ConfigError
from agentfx.engine._errors import EngineError as EngineError
from agentfx.engine._errors import PortInUseError as PortInUseError
from agentfx.engine._server import Engine as Engine
