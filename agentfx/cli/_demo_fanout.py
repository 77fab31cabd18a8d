"""`agentfx demo fanout`: a real job on two workers, one of which is killed."""

import asyncio
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import agentfx as fx
from agentfx.demos._hand_off import HandOff, hand_offs, jobs_by_worker
from agentfx.demos._stdlib import Summary, modules, program

LEAST_MODULES = 400
PICTURE_WIDTH = 100
MAKEFILE = Path(fx.__file__).parent.parent / "Makefile"
_DONE = ("job_done", "job_failed", "job_dead")


async def fanout(svg: Path | None) -> bool:
    """Kill one of two workers half-way; whether the result is equal to the run in memory.

    Args:
        svg: Where to keep what is shown as a picture.
    """
    out = Console(highlight=False, record=svg is not None, width=PICTURE_WIDTH if svg else None)
    same = await _fanout(out)
    if svg is not None:
        _keep(out, svg)
    return same


def _keep(out: Console, svg: Path) -> None:
    # Without the fonts that it would fetch: a picture asks nobody for anything.
    text = re.sub(r"@font-face \{.*?\}\s*", "", out.export_svg(title="make demo"), flags=re.DOTALL)
    svg.write_text(text, encoding="utf-8")


async def _fanout(out: Console) -> bool:
    paths = modules()
    out.print(f"The Python standard library has {len(paths)} modules here that parse.")
    if len(paths) < LEAST_MODULES:
        out.print(f"That is fewer than {LEAST_MODULES}: is its source installed?", style="red")
        return False
    effect = program(paths)
    with _progress(out) as progress:
        bar = progress.add_task("in memory", total=len(paths) + 1)
        in_memory = await fx.run_memory(
            effect, observe=lambda event: progress.advance(bar, event.type in _DONE)
        )
        dist, seen = await _on_two_workers(effect, len(paths), progress)
    out.print()
    _report(out, seen)
    same = dist == in_memory
    if isinstance(dist, fx.Ok):
        out.print(_deepest(dist.value))
    else:
        out.print(f"failed: {dist.error!r}", style="red", markup=False)
    out.print(f"equal to the run in memory: {'yes' if same else 'NO'}", style="bold")
    _suggest(out)
    return same


async def _on_two_workers(
    effect: fx.Effect[Summary, fx.ContractViolation | fx.TaskError], count: int, progress: Progress
) -> tuple[fx.Exit[Summary, fx.ContractViolation | fx.TaskError], list[fx.Event]]:
    bar = progress.add_task("on two workers", total=count + 1)
    with tempfile.TemporaryDirectory(prefix="agentfx-demo-") as home:
        async with fx.local(workers=2, home=home) as cluster:
            started = await fx.start(effect, backend=cluster)
            seen: list[fx.Event] = []
            killing: asyncio.Task[None] | None = None
            async for event in started.events():
                seen.append(event)
                progress.advance(bar, event.type in _DONE)
                if killing is None and _done(seen) >= count // 2:
                    progress.console.print("kill -9 of worker w1, half-way")
                    killing = asyncio.create_task(cluster.kill("w1"))
            if killing is not None:
                await killing
            return await started.result(), seen


def _suggest(out: Console) -> None:
    """What to try next, as it is called in a clone, or where the package was installed."""
    if MAKEFILE.is_file():
        agentfx, notebook = ".venv/bin/agentfx", ("make lab", "notebooks with")
    else:
        agentfx, notebook = "agentfx", ("%load_ext agentfx", "in a notebook:")
    steps = (
        (notebook[0], f"{notebook[1]} a live panel and a Kill button"),
        (f"{agentfx} demo harness", "an agent whose worker dies in mid-tool"),
        (f"{agentfx} up", "an engine and two workers for this folder"),
    )
    width = max(len(command) for command, _ in steps)
    out.print("\nNext:")
    for command, what in steps:
        out.print(f"  {command:<{width}}  {what}")


def _done(events: Iterable[fx.Event]) -> int:
    return sum(event.type in _DONE for event in events)


def _report(out: Console, events: list[fx.Event]) -> None:
    moved = hand_offs(events)
    table = Table(title="jobs that moved", box=None, title_justify="left", header_style="bold")
    for column in ("job", "from", "to", "noticed and requeued, ms", "waited for a slot, ms"):
        table.add_column(column, justify="right" if column.endswith("ms") else "left")
    for hand_off in moved:
        table.add_row(*_cells(hand_off))
    out.print(table if moved else "no job was running on w1 when it was killed")
    counts = ", ".join(f"{worker} {count}" for worker, count in jobs_by_worker(events).items())
    out.print(f"jobs by worker: {counts}\n")


def _cells(hand_off: HandOff) -> tuple[str, ...]:
    noticed, waited = f"{hand_off.noticed_ms:.1f}", f"{hand_off.waited_ms:.1f}"
    return (hand_off.path, hand_off.lost_by, hand_off.taken_by, noticed, waited)


def _deepest(summary: Summary) -> Table:
    title = f"deepest nesting, of {summary.modules} modules with {summary.lines:,} lines"
    table = Table(title=title, box=None, title_justify="left", header_style="bold")
    table.add_column("module")
    for column in ("nesting", "longest function", "lines", "functions", "classes", "imports"):
        table.add_column(column, justify="right")
    for m in summary.deepest:
        numbers = (m.nesting, m.longest, m.lines, m.functions, m.classes, m.imports)
        table.add_row(m.module, *map(str, numbers))
    return table


def _progress(out: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=out,
    )
