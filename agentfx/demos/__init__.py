"""Programs that `agentfx demo` runs, written as a user would, and what shows how they went."""

from agentfx.demos._diagram import Lane as Lane
from agentfx.demos._diagram import Preemption as Preemption
