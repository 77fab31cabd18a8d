"""Programs that `agentfx demo` runs; written as a user would."""
