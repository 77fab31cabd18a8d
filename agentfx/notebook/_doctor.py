"""Everything that can be wrong around a notebook, and how to mend it."""

from agentfx.notebook._kit import Kit


def doctor(*, kit: Kit | None = None) -> str:
    """Check."""
    return "ok"
