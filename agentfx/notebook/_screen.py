"""Where a cell's output goes."""

import sys
from collections.abc import Callable
from contextvars import Context
from secrets import token_hex
from typing import Any, Protocol

from agentfx.notebook._html import render_html
from agentfx.notebook._tables import Snapshot
from agentfx.notebook._text import render_text
from agentfx_widgets import Panel


class Screen(Protocol):
    """What running a program needs of a notebook."""

    def show(self, panel: Panel, snapshot: Snapshot) -> None:
        """Put a panel into the output of the cell that runs, and what is left without it."""
        ...

    def update(self, panel: Panel, snapshot: Snapshot) -> None:
        """Write what is left of a panel where it was shown."""
        ...

    def say(self, text: str) -> None:
        """Print a line."""
        ...


class NoScreen:
    """Outside a kernel: lines on standard error, no panel."""

    def show(self, panel: Panel, snapshot: Snapshot) -> None:
        """See `Screen.show`."""

    def update(self, panel: Panel, snapshot: Snapshot) -> None:
        """See `Screen.update`."""

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        print(f"agentfx: {text}", file=sys.stderr)  # noqa: T201 - said wherever the user looks


class CellScreen:
    """The output of a cell: the widget, and after it text and HTML that need no kernel.

    They are two outputs, since a front end without the widget's model shows an error in its
    place, whatever else the same output holds. Where the widget is alive, the second is hidden.

    Args:
        shell: IPython's.
        text: Makes the text of a snapshot; of a run's, without this.
        html: Makes the HTML.
    """

    def __init__(
        self,
        shell: Any,
        text: Callable[[Snapshot], str] = render_text,
        html: Callable[[Snapshot], str] = render_html,
    ) -> None:
        self._shell, self._text, self._html = shell, text, html
        self._shown: dict[str, str] = {}

    def show(self, panel: Panel, snapshot: Snapshot) -> None:
        """See `Screen.show`."""
        display_id = self._shown[panel.model_id] = token_hex(8)
        widget: Any = panel  # anywidget types its bundle as parts of unknown type
        data, metadata = widget._repr_mimebundle_()
        self._shell.display_pub.publish(data=data, metadata=metadata)
        self._publish(snapshot, display_id, update=False)

    def update(self, panel: Panel, snapshot: Snapshot) -> None:
        """See `Screen.update`."""
        display_id = self._shown.get(panel.model_id)
        if display_id is not None:
            # In the name of the cell that runs now, not of the one that began the run: clients
            # that execute notebooks no longer listen to that one.
            Context().run(self._publish, snapshot, display_id, update=True)

    def _publish(self, snapshot: Snapshot, display_id: str, *, update: bool) -> None:
        bundle = {"text/plain": self._text(snapshot), "text/html": self._html(snapshot)}
        self._shell.display_pub.publish(
            data=bundle, metadata={}, transient={"display_id": display_id}, update=update
        )

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        print_in_cell(text)


def screen_of(shell: Any) -> Screen:
    """The output of a shell's cells, if a kernel runs it."""
    return CellScreen(shell) if hasattr(shell, "kernel") else NoScreen()


def print_in_cell(text: str) -> None:
    """Print into the output of the cell that runs."""
    print(text)  # noqa: T201 - into the cell
