"""Front end of agentfx: handed JSON, knows nothing of how it was made."""

from agentfx_widgets._panel import Panel as Panel
