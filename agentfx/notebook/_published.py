"""The copy of a notebook to publish: what is left of panels when there is no kernel.

Converters and sites prefer the view of a widget, which they cannot show, to the HTML beside it.
"""

import json
from pathlib import Path
from typing import Any

from agentfx.notebook._errors import UserError

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def stripped(notebook: dict[str, Any]) -> dict[str, Any]:
    """A copy without widgets; the text and HTML beside them stay."""
    metadata = {k: v for k, v in notebook.get("metadata", {}).items() if k != "widgets"}
    return {**notebook, "metadata": metadata, "cells": [_cell(c) for c in notebook["cells"]]}


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    if "outputs" not in cell:
        return cell
    outputs: list[dict[str, Any]] = [_without_widget(output) for output in cell["outputs"]]
    return {**cell, "outputs": [output for output in outputs if output]}


def _without_widget(output: dict[str, Any]) -> dict[str, Any]:
    """An output without the view of a widget; empty if it has nothing but that to show."""
    data: dict[str, Any] = output.get("data", {})
    if WIDGET_VIEW not in data:
        return output
    if "text/html" not in data:
        return {}
    return {**output, "data": {kind: v for kind, v in data.items() if kind != WIDGET_VIEW}}


def publish(source: Path, target: Path | None = None) -> Path:
    """Write the copy to publish.

    Args:
        source: A notebook.
        target: Where the copy goes, `NAME-published.ipynb` beside it without this.

    Returns:
        Where it is.

    Raises:
        UserError: There is no such notebook, or it is none.
    """
    path = target or source.with_name(f"{source.stem}-published.ipynb")
    path.write_text(json.dumps(stripped(_read(source)), indent=1, ensure_ascii=False) + "\n")
    return path


def _read(source: Path) -> dict[str, Any]:
    try:
        notebook: dict[str, Any] = json.loads(source.read_text())
        cells = notebook["cells"]
    except OSError as error:
        raise UserError(f"no notebook {source}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        cells = None
        notebook = {}
    if not isinstance(cells, list):
        raise UserError(f"{source} is no notebook: give a file that ends in .ipynb")
    return notebook
