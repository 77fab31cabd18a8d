"""The panel of a conversation with an agent."""

from pathlib import Path

from agentfx_widgets._panel import Json, Panel

_FOLDER = Path(__file__).parent


class AgentPanel(Panel):
    """Shows an exchange with an agent, with a form for each call that waits for a person.

    It speaks as `Panel` does; its state and its clicks are of a conversation.
    """

    _esm = _FOLDER / "agent.js"
    # Both files: it looks as the panel of a run does.
    _css = "\n".join((_FOLDER / name).read_text() for name in ("panel.css", "agent.css"))

    def problems(self, call: str, found: Json) -> None:
        """Say what is wrong with the arguments of a held call, by argument."""
        self._widget.send({"kind": "problems", "call": call, "problems": found})

    def __repr__(self) -> str:
        return "the live panel of a conversation; what it showed last follows"
