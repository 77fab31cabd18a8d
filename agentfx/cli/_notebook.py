"""Commands about notebooks."""

from pathlib import Path
from typing import Annotated

import typer

from agentfx.cli._app import app
from agentfx.cli._show import out


@app.command("nb-strip")
def strip_notebook(
    notebook: Annotated[Path, typer.Argument(help="A notebook that was run.")],
    target: Annotated[Path | None, typer.Argument(help="Where the copy goes.")] = None,
) -> None:
    """Make the copy to publish: tables and trees stay, widgets that need a kernel go."""
    from agentfx.notebook import publish

    out.print(f"written: {publish(notebook, target)}", markup=False, soft_wrap=True)
