"""A run without a kernel: HTML that needs no script and no style, and says everything in words.

Every value is escaped; saved notebooks are shown by sites that strip style and script.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from agentfx.notebook._chart import chart_lines
from agentfx.notebook._log import plain
from agentfx.notebook._roster import step_name
from agentfx.notebook._tables import Row, Snapshot
from agentfx.notebook._words import (
    GLYPHS,
    Line,
    facts,
    millis,
    outcome,
    rows_of,
    run_of,
    seconds,
    tree_lines,
    word,
)

MOST_MOVES = 100
# In JupyterLab: beside a live panel this is hidden, and without one the place of the panel is.
# The rest is for the looks, where style is kept at all.
STYLE = (
    "<style>"
    ".afx-static table {margin: 8px 0 12px; border-collapse: collapse} "
    ".afx-static caption {text-align: left; font-weight: 600; padding-bottom: 2px} "
    ".afx-static th, .afx-static td {text-align: left !important; padding: 3px 18px 3px 0} "
    ".afx-static pre {line-height: 1.25; margin: 4px 0 12px; overflow-x: auto} "
    ".afx-static ul {list-style: none !important; padding-left: 18px; margin: 4px 0} "
    ".afx-static > ul {padding-left: 0} "
    ".jp-OutputArea-child:has(.afx) + .jp-OutputArea-child:has(.afx-static) {display: none}"
    ".jp-OutputArea-child:has(+ .jp-OutputArea-child .afx-static):not(:has(.afx)) {display: none}"
    "</style>"
)
_WORKERS = ("worker", "pid", "jobs done", "jobs lost")
_MOVES = ("job", "from", "to", "noticed and queued again", "waited for a slot")


def text_of(value: Any) -> str:
    """A value, escaped and without control characters."""
    return escape(plain(str(value)))


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; the first cell of each row heads it."""
    head = "".join(f'<th scope="col">{text_of(column)}</th>' for column in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{text_of(cell)}</th>' if not at else f"<td>{text_of(cell)}</td>"
            for at, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{text_of(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def render_html(snapshot: Snapshot) -> str:
    """A run: headline, tree, timeline, hand-offs, workers, dead letters."""
    run = run_of(snapshot)
    parts = [f"<p>{_head(run)}<br>{text_of(' · '.join(facts(snapshot)))}</p>"]
    said = [outcome(run), ("note", run["notice"]) if run.get("notice") else None]
    parts += [f"<p>{what}: <code>{text_of(text)}</code></p>" for what, text in filter(None, said)]
    parts.append(tree(tree_lines(snapshot)))
    chart = "\n".join(chart_lines(snapshot))
    if chart:
        parts.append(f"<p><b>Timeline</b></p><pre>{text_of(chart)}</pre>")
    moves = [_move(row) for _, row in rows_of(snapshot, "moves")]
    if moves:
        parts.append(table("Jobs that moved to another worker", _MOVES, moves[:MOST_MOVES]))
    workers = [_worker(name, row) for name, row in sorted(rows_of(snapshot, "workers"))]
    if run.get("kind") == "dist" and workers:
        parts.append(table("Workers", _WORKERS, workers))
    dead = [_dead(row) for _, row in rows_of(snapshot, "dead")]
    if dead:
        parts.append(table("Dead letters of all runs", ("job", "run", "why"), dead))
    return f'{STYLE}<div class="afx-static">{"".join(parts)}</div>'


def _head(run: Row) -> str:
    status = run.get("status", "?")
    after = f" after {seconds(run['took'])}" if "took" in run else ""
    name = f"<b>{text_of(run['name'])}</b> " if run.get("name") else ""
    said = f"{GLYPHS.get(status, '')} <b>{text_of(word(status))}</b>{after}"
    return f"{said} · {name}run <code>{text_of(run.get('id') or 'in memory')}</code>"


def tree(lines: Sequence[Line]) -> str:
    """Lines as nested lists."""
    parts = ["<ul>"]
    depth = 0
    for number, line in enumerate(lines):
        while depth > line.depth:
            parts.append("</ul></li>")
            depth -= 1
        parts.append(f"<li>{_line(line)}")
        deeper = number + 1 < len(lines) and lines[number + 1].depth > line.depth
        if deeper:
            parts.append("<ul>")
            depth += 1
        else:
            parts.append("</li>")
    parts += ["</ul></li>"] * depth
    return "".join(parts) + "</ul>"


def _line(line: Line) -> str:
    state = f"{line.glyph} <b>{text_of(word(line.state))}</b> " if line.state else ""
    detail = f" <i>{text_of(line.detail)}</i>" if line.detail else ""
    return f"{state}<code>{text_of(line.text)}</code>{detail}"


def _move(row: Row) -> tuple[str, ...]:
    noticed, waited = row.get("noticed_ms"), row.get("waited_ms")
    return (
        step_name(row.get("index"), row.get("path")), row["from"], row.get("to", ""),
        "" if noticed is None else millis(noticed), "" if waited is None else millis(waited),
    )  # fmt: skip


def _worker(name: str, row: Row) -> tuple[Any, ...]:
    state = row["state"]
    said = f"{GLYPHS.get(state, '')} {name}" + ("" if state == "up" else f" {word(state)}")
    return said, row.get("pid", ""), row["done"], row.get("lost", 0)


def _dead(row: Row) -> tuple[str, ...]:
    return f"{row['task']} {row['path']}", row["run"], f"{row['reason']}: {row['message']}"
