"""Where a cell's output goes."""

import sys
from secrets import token_hex
from typing import Any, Protocol

from agentfx_widgets import Panel


class Screen(Protocol):
    """What running a program needs of a notebook."""

    def show(self, panel: Panel) -> None:
        """Put a panel into the output of the cell that runs."""
        ...

    def update(self, panel: Panel) -> None:
        """Write what a panel holds now into the output where it was shown."""
        ...

    def say(self, text: str) -> None:
        """Print a line."""
        ...


class NoScreen:
    """Outside IPython: lines on standard error, no panel."""

    def show(self, panel: Panel) -> None:
        """See `Screen.show`."""

    def update(self, panel: Panel) -> None:
        """See `Screen.update`."""

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        print(f"agentfx: {text}", file=sys.stderr)  # noqa: T201 - said wherever the user looks


class CellScreen:
    """The output of a cell.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._shown: dict[str, str] = {}

    def show(self, panel: Panel) -> None:
        """See `Screen.show`."""
        display_id = self._shown[panel.model_id] = token_hex(8)
        self._publish(panel, display_id, update=False)

    def update(self, panel: Panel) -> None:
        """See `Screen.update`."""
        display_id = self._shown.get(panel.model_id)
        if display_id is not None:
            self._publish(panel, display_id, update=True)

    def _publish(self, panel: Panel, display_id: str, *, update: bool) -> None:
        self._shell.display_pub.publish(
            data=panel.bundle(), metadata={}, transient={"display_id": display_id}, update=update
        )

    def say(self, text: str) -> None:
        """See `Screen.say`."""
        print(text)  # noqa: T201 - into the cell


def screen_of_cell() -> Screen:
    """The output of the cell that runs, if there is a kernel."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return NoScreen()
    return CellScreen(shell)
