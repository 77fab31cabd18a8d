"""The root of what agentfx raises for its users' mistakes and their machines' faults."""


class AgentfxError(Exception):
    """One line that says what is wrong, and what to do next."""
