"""`python -m bench [PART ...]`: print figures beside their floors, and write them as JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import deaths, harness, jobs, panel, programs, steps
from bench.figures import Figure, save, show

PARTS: dict[str, Callable[[], list[Figure]]] = {
    "programs": programs.figures,
    "jobs": jobs.figures,
    "steps": steps.figures,
    "deaths": deaths.figures,
    "harness": harness.figures,
    "panel": panel.figures,
}


def main(
    parts: Annotated[list[str] | None, typer.Argument(help="Some of: " + ", ".join(PARTS))] = None,
    json: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("bench.json"),
    url: Annotated[
        str | None, typer.Option(help="An iii engine without services, for the part `jobs`.")
    ] = None,
) -> None:
    """Measure, beside a floor in the same run."""
    console = Console()
    jobs.on.url = url
    unknown = set(parts or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"no part {sorted(unknown)}; there are {', '.join(PARTS)}")
    found: list[Figure] = []
    for name, measure in PARTS.items():
        if parts and name not in parts:
            continue
        console.print(f"[bold]{name}[/bold]")
        figures = measure()
        show(figures, console)
        found += figures
    save(found, json)
    console.print(f"written to {json}")


if __name__ == "__main__":
    typer.run(main)
