"""What programs mean: one walk, and the two interpreters that give its leaves their meaning."""

from agentfx.interpreters._memory import run_memory as run_memory
from agentfx.interpreters._memory import run_memory_sync as run_memory_sync
