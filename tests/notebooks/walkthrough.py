"""A walkthrough, generated and executed as its readers do it, but for the clicks."""

import importlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
CELL_SECONDS = 150
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
_jupytext: Any = importlib.import_module("jupytext")  # it has no types


class Walkthrough:
    """A walkthrough in a kernel.

    Attributes:
        notebook: Generated; its outputs are those of the last run.
    """

    def __init__(self, notebook: Any, client: NotebookClient) -> None:
        self.notebook, self._client = notebook, client

    def run(self, *, without: str | None = None, until: str | None = None) -> None:
        """Run the cells.

        Args:
            without: A tag of cells that are left out.
            until: Text in the last cell that is run.

        Raises:
            CellExecutionError: A cell failed, and so a claim of the text does not hold.
        """
        for number, cell in enumerate(self.notebook.cells):
            if without is None or without not in tags(cell):
                self._client.execute_cell(cell, number)
            if until is not None and cell.cell_type == "code" and until in cell.source:
                return


def tags(cell: Any) -> list[str]:
    """Tags of a cell."""
    found: list[str] = cell.metadata.get("tags", [])
    return found


def read(path: Path) -> Any:
    """A notebook, whether text or JSON."""
    return _jupytext.read(path)


@contextmanager
def opened(source: Path, folder: Path, **environment: str) -> Generator[Walkthrough]:
    """Generate a walkthrough into a folder, and start a kernel there with nobody's settings."""
    target = folder / f"{source.stem}.ipynb"
    _jupytext.write(read(source), target)  # as `make notebooks` does
    notebook = read(target)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("III_", "AGENTFX_"))}
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    own = {"IPYTHONDIR": str(folder / ".ipython"), **environment}
    with client.setup_kernel(env={**clean, **own}):
        yield Walkthrough(notebook, client)
