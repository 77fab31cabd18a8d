"""Front end of agentfx: handed JSON, knows nothing of how it was made."""

from agentfx_widgets._agent import AgentPanel as AgentPanel
from agentfx_widgets._panel import Panel as Panel
