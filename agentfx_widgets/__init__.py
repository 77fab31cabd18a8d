"""Front end of agentfx: handed JSON, knows nothing of how it was made."""

from agentfx_widgets._panel import WIDGET_VIEW as WIDGET_VIEW
from agentfx_widgets._panel import Panel as Panel
