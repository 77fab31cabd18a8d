"""A run as plain text: for terminals, logs, and whoever reads a notebook as a file."""

from collections.abc import Iterable

from agentfx.notebook._chart import chart_lines
from agentfx.notebook._log import plain
from agentfx.notebook._roster import step_name
from agentfx.notebook._tables import Snapshot
from agentfx.notebook._words import (
    GLYPHS,
    Line,
    headline,
    millis,
    outcome,
    rows_of,
    run_of,
    tree_lines,
    waited,
    word,
)


def render_text(snapshot: Snapshot) -> str:
    """A run: headline, tree, timeline, hand-offs, workers."""
    run = run_of(snapshot)
    lines = [headline(snapshot)]
    if (ended := outcome(run)) is not None:
        lines.append(f"{ended[0]}: {ended[1]}")
    if run.get("notice"):
        lines.append(f"note: {run['notice']}")
    lines += text_tree(tree_lines(snapshot))
    lines += chart_lines(snapshot)
    for _, row in rows_of(snapshot, "moves"):
        if row.get("noticed_ms") is None:
            continue
        went = f"{row['from']} → {row.get('to', '?')}"
        said = f"noticed and queued again in {millis(row['noticed_ms'])}"
        if row.get("waited_ms") is not None:
            said += f", {waited(row['waited_ms'])}"
        step = step_name(row.get("index"), row.get("path"))
        lines.append(f"{step} {went}: {said}")
    workers = sorted(rows_of(snapshot, "workers"))
    if run.get("kind") == "dist" and workers:
        said = ", ".join(
            f"{name} {GLYPHS.get(row['state'], '')} {word(row['state'])}, {row['done']} done"
            for name, row in workers
        )
        lines.append(f"workers: {said}")
    return "\n".join(plain(line) for line in lines)


def text_tree(lines: Iterable[Line]) -> list[str]:
    """Lines of a tree, indented."""
    return [
        f"{'  ' * line.depth}{line.glyph} {line.text}" + (f"  {line.detail}" if line.detail else "")
        for line in lines
    ]
