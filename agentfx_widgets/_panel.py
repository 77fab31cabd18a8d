"""The panel of a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import anywidget
import traitlets

Json: TypeAlias = dict[str, Any]


class Panel(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """Shows the state of a run and says what is clicked; owns nothing.

    Args:
        state: A snapshot: `version`, and `tables`, rows by table and key.
        on_action: Called with each click: `op`, `id`, and what it is about. It may be called on
            any thread, and must not wait.
    """

    _esm = Path(__file__).with_name("panel.js")
    _css: Path | str = Path(__file__).with_name("panel.css")
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, state: Json, on_action: Callable[[Json], None]) -> None:
        super().__init__(state=state)
        self._on_action = on_action
        self._widget: Any = self  # ipywidgets has no types
        self._widget.on_msg(self._heard)

    def _heard(self, _panel: object, content: Json, _buffers: object) -> None:
        self._widget.send({"kind": "heard", "id": content.get("id")})
        self._on_action(content)

    def push(self, diff: Json) -> None:
        """Send what changed: `from` and `to` a version, `set`, `drop`, and `now`."""
        self._widget.send({"kind": "diff", **diff})

    def resync(self, snapshot: Json) -> None:
        """Send everything, to whoever missed something."""
        self._widget.send({"kind": "snapshot", **snapshot})

    def past(self, viewer: str, at: float, diff: Json) -> None:
        """Send a moment of the past to one tab, as the way there from the moment before."""
        self._widget.send({"kind": "past", "viewer": viewer, "at": at, **diff})

    def answer(self, request: Any, text: str, *, ok: bool) -> None:
        """Say what came of a click."""
        self._widget.send({"kind": "answer", "id": request, "ok": ok, "text": text})

    def finish(self, snapshot: Json) -> None:
        """Keep the last state in the model, where a late view and a saved notebook find it."""
        self.state = snapshot

    def prefer_subshell(self) -> None:
        """Let the front end choose the thread that hears clicks, where ipykernel overrules it.

        ipykernel 7.4 gives a message to the shell that last published on its comm, which is
        blocked while a cell computes.
        """
        comm: Any = self._widget.comm
        if hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = _as_asked

    def __repr__(self) -> str:
        return "the live panel of a run; what it showed last follows"


def _as_asked(_data: object, asked: object) -> object:
    return asked
