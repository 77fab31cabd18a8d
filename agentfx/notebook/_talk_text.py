"""An exchange with an agent without a kernel: as text, and as HTML without script.

Every value is escaped; saved notebooks are shown by sites that strip style and script.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from agentfx.harness import LogEvent, log_rows
from agentfx.notebook._html import STYLE, table, text_of
from agentfx.notebook._tables import Row, Snapshot
from agentfx.notebook._words import GLYPHS, millis, plural, rows_of, waited

STATES = {
    "held": "waits for your approval", "queued": "waits for a worker", "running": "runs",
    "moved": "lost its worker, starts again", "done": "done", "failed": "failed",
    "rejected": "rejected",
}  # fmt: skip
_GLYPHS = {
    "held": "⊘", "queued": GLYPHS["waiting"], "running": GLYPHS["running"], "moved": GLYPHS["lost"],
    "done": GLYPHS["done"], "failed": GLYPHS["failed"], "rejected": GLYPHS["failed"],
}  # fmt: skip
_SESSION = {"running": "works", "waiting": "waits to try again", "held": "waits for you"}


def headline(snapshot: Snapshot) -> str:
    """Whose session it is, how it stands, and what it took."""
    row = _session(snapshot)
    state = _SESSION.get(row.get("state", ""), "done")
    parts = [f"session {row.get('id')}", f"agent {row.get('agent', '?')}, {row.get('model', '?')}"]
    return " · ".join([*parts, state, spent(row)])


def spent(row: Row) -> str:
    """Model calls, tokens and money of an exchange."""
    said = f"{plural(row.get('calls', 0), 'model call')}"
    said += f", {row.get('input', 0):,} tokens in, {row.get('output', 0):,} out"
    if row.get("cost") is not None:
        said += f", cost {row['cost']:.4f}"
    if row.get("unused"):
        said += f" ({row['unused']:.4f} paid and not used)"
    return said


def render_text(snapshot: Snapshot) -> str:
    """An exchange as plain text."""
    lines = [line for _, row in _talk(snapshot) for line in _lines(row)]
    return "\n".join([headline(snapshot), *lines])


def _lines(row: Row) -> Iterator[str]:
    match row["type"]:
        case "user":
            yield f"> {row['text']}"
        case "answer":
            yield row["text"] or "(thinks)"
        case "call":
            yield f"  {_GLYPHS[row['state']]} {_asked(row)} {about(row)}"
            yield from (f"    {moved(move)}" for move in row.get("moves", ()))
            yield from (f"    | {line}" for line in row.get("output", ()))
            if row.get("result"):
                yield f"    = {row['result']}"
        case _:
            yield f"  ! {row['text']}"
            yield from (f"    {moved(move)}" for move in row.get("moves", ()))


def _asked(row: Row) -> str:
    return f"{row['name']}({row.get('arguments', '')})"


def about(row: Row) -> str:
    """How a call goes, in a few words."""
    parts = [STATES[row["state"]]]
    if row.get("worker"):
        parts.append(f"on {row['worker']}")
    if row.get("ms") is not None:
        parts.append(f"in {millis(row['ms'])}")
    if row.get("decided"):
        parts.append(f"({row['decided']})")
    return " ".join(parts)


def moved(move: Row) -> str:
    """A hand-off with its two intervals, as far as they are known."""
    said = f"⚡ {move['from']} → {move.get('to', '…')}"
    if move.get("noticed_ms") is not None:
        said += f": noticed and queued again in {millis(move['noticed_ms'])}"
        said += f", {waited(move['waited_ms'])}"
    return said


def render_html(snapshot: Snapshot) -> str:
    """An exchange as HTML."""
    items = "".join(f"<li>{_item(row)}</li>" for _, row in _talk(snapshot))
    workers = [
        (f"{GLYPHS.get(row['state'], '')} {name}", row.get("pid", ""), row["state"])
        for name, row in sorted(rows_of(snapshot, "workers"))
    ]
    shown = table("Workers", ("worker", "pid", "state"), workers) if workers else ""
    head = f"<p><b>{text_of(headline(snapshot))}</b></p>"
    return f'{STYLE}<div class="afx-static">{head}<ul>{items}</ul>{shown}</div>'


def _item(row: Row) -> str:
    match row["type"]:
        case "user":
            return f"<b>{text_of(row.get('by', 'you'))}</b>: {_paragraphs(row['text'])}"
        case "answer":
            return f"<b>answer</b>: {_paragraphs(row['text'] or '(thinks)')}"
        case "call":
            code, how = text_of(_asked(row)), text_of(about(row))
            head = f"{_GLYPHS[row['state']]} <code>{code}</code> <i>{how}</i>"
            result = f" <pre>{text_of(row['result'])}</pre>" if row.get("result") else ""
            return head + _moves(row) + result
        case _:
            return f"<i>{text_of(row['text'])}</i>{_moves(row)}"


def _moves(row: Row) -> str:
    return "".join(f"<br>{text_of(moved(move))}" for move in row.get("moves", ()))


def _paragraphs(text: str) -> str:
    return "<br>".join(text_of(line) for line in text.split("\n"))


def _talk(snapshot: Snapshot) -> list[tuple[str, Any]]:
    return sorted(rows_of(snapshot, "talk"))


def _session(snapshot: Snapshot) -> Row:
    rows: dict[str, Row] = dict(rows_of(snapshot, "session"))
    return rows.get("session", {})


_TOLD = ("assistant", "approval_requested", "tool_started", "tool_result", "model_error")
_ENDS = ("refused", "limit_reached", "step_failed", "cancelled")


def lines_of(events: Iterable[LogEvent]) -> list[str]:
    """Events as lines, for a terminal."""
    told = [event for event in events if event.kind in (*_TOLD, *_ENDS)]
    return [f"{row['writer']}: {row['kind']} {row['text']}" for row in log_rows(told)]
