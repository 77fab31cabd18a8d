"""What can keep an engine from running."""

from agentfx._errors import AgentfxError


class EngineError(AgentfxError):
    """The engine could not start."""


class PortInUseError(EngineError):
    """Something else listens on the engine's port.

    Attributes:
        host: Address that was asked for.
        port: Port that was asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host, self.port = host, port

    def __str__(self) -> str:
        return (
            f"port {self.port} on {self.host} is in use: end what listens there, or choose another"
        )


class ConfigError(EngineError):
    """A configuration file cannot be used; the message says where and why."""
