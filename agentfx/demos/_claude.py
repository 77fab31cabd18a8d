"""The agent of the crash proof with Claude, and Python's `pymath::add` as its tool."""

from agentfx import harness
from agentfx.harness import ClaudeModel, Remote

MODEL = "claude-opus-4-8"
PYMATH_ADD = Remote(
    "pymath::add",
    {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "Add two numbers.",
    repeatable=True,
)

claude = harness.Agent(
    "claude",
    model=ClaudeModel(MODEL),
    tools=[PYMATH_ADD],
    system="You do sums with the tool pymath__add, one call after the other, never in your head.",
)
