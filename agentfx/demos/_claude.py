"""The agent of the crash proof with Claude, and Python's `pymath::add` as its tool."""

from agentfx import harness
from agentfx.contracts import remote
from agentfx.harness import ClaudeModel, Tool

MODEL = "claude-opus-4-8"

claude = harness.Agent(
    "claude",
    model=ClaudeModel(MODEL),
    tools=[Tool(remote("pymath::add", replayable=True), description="Add two numbers.")],
    system="You do sums with the tool pymath__add, one call after the other, never in your head.",
)
