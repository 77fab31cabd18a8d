"""iii's state: values by scope and key, kept in the store."""

from agentfx.services.state._service import StateService as StateService
from agentfx.services.state._service import StateSettings as StateSettings
