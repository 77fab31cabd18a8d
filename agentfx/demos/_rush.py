"""A slow model and a tool with an effect: what a message that overtakes a turn prevents."""

from collections.abc import Sequence

import agentfx as fx
from agentfx import harness
from agentfx.harness import Request, results_of, text, tool_use

THINK_SECONDS = 1.0


@fx.action("rush::send_mail")
async def send_mail(to: str) -> str:
    """Send a mail; it cannot be taken back."""
    return f"sent to {to}"


def answer(request: Request) -> Sequence[harness.Block]:
    """Send the mail that the newest message asks for, then say so."""
    if results_of(request):
        return [text(f"Done: {results_of(request)[-1]}.")]
    return [tool_use("rush__send_mail", to=request.last_text.rpartition(" ")[2])]


rush = harness.Agent(
    "rush",
    model=harness.StubModel(answer, seconds=THINK_SECONDS),
    tools=[send_mail],
    policy="preempt",
)
