"""Rows of a snapshot in words: the same for text and HTML."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agentfx.notebook._tables import Row, Snapshot

GLYPHS = {
    "planned": "○",
    "waiting": "◔",
    "running": "▶",
    "done": "✓",
    "failed": "✗",
    "caught": "↪",
    "dead": "✉",
    "cancelled": "–",
    "lost": "⚡",
    "dropped": "–",
    "up": "●",
    "silent": "◌",
    "draining": "◑",
    "killed": "✕",
    "left": "–",
    "fold": "⋯",
}
_WORDS = {
    "dead": "dead letter", "left": "stopped", "planned": "not begun", "draining": "finishing",
    "caught": "failed, caught",
}  # fmt: skip
_COUNTED = ("done", "running", "waiting", "failed", "caught", "dead", "cancelled")
_ENDED = ("done", "failed", "caught")
MOST_LINES = 400


def word(state: str) -> str:
    """A state in a word."""
    return _WORDS.get(state, state)


def ordinal(number: int) -> str:
    """Such as `2nd`."""
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def plural(number: int, one: str) -> str:
    """Such as `2 jobs`."""
    return f"{number:,} {one}" + ("" if number == 1 else "s")


def seconds(value: float) -> str:
    """Such as `1.25 s`."""
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def millis(value: float) -> str:
    """Such as `14 ms`."""
    if value >= 1000:
        return seconds(value / 1000)
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def waited(ms: float) -> str:
    """How long a lost job waited until another worker had room for it."""
    return "started at once" if ms < 1 else f"waited {millis(ms)} for a slot"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a tree.

    Attributes:
        depth: How far it is indented.
        state: None for what is no step.
    """

    depth: int
    state: str | None
    glyph: str
    text: str
    detail: str


def headline(snapshot: Snapshot) -> str:
    """A run in one line."""
    run = run_of(snapshot)
    begin = f"run {run.get('id') or 'in memory'}: {run.get('status', '?')}"
    if "took" in run:
        begin += f" after {seconds(run['took'])}"
    return " · ".join([begin, *facts(snapshot)])


def facts(snapshot: Snapshot) -> list[str]:
    """What there is to count in a run."""
    run, parts = run_of(snapshot), list[str]()
    counts = run.get("jobs", {})
    ended = sum(counts.get(state, 0) for state in _ENDED)
    if counts:
        parts.append(f"{ended:,} of {plural(sum(counts.values()), 'step')} ended")
    parts += [
        f"{plural(run[name], what)} {rest}".strip()
        for name, what, rest in (
            ("kept", "step", "from the record"),
            ("lost", "job", "lost a worker"),
            ("moved", "job", "handed over"),
            ("again", "step", "took another try"),
        )
        if run.get(name)
    ]
    if run.get("kind") == "dist" and (run.get("lost") or run.get("kept")):
        parts.append(f"{plural(run.get('redone', 0), 'finished job')} run again")
    return parts


def run_of(snapshot: Snapshot) -> Row:
    """The row of the run."""
    found: Row = snapshot["tables"].get("run", {}).get("run", {})
    return found


def outcome(run: Row) -> tuple[str, str] | None:
    """What a run ended with, and what to call it; None if there is nothing more to say."""
    if run.get("status") == "cancelled":
        return None
    if run.get("error"):
        return "failed", run["error"]
    return ("result", run["result"]) if run.get("result") else None


def title(path: str, row: Row) -> str:
    """What a step is called."""
    if row.get("kind") == "fold":
        return plural(row["count"], "earlier step")
    number = f"#{row['index']} " if "index" in row else ""
    if row.get("kind") == "fan_out":
        label = f"{row['label']}: " if row.get("label") else ""
        what = f"for_each {row.get('task', '')}".strip()
        return f"{number}{label}{what} × {row.get('count') or 0:,}"
    fallback = "" if number else f"step {path}"
    name = row.get("label") or row.get("text") or row.get("task") or fallback
    return f"{number}{name}".strip()


def about(row: Row, *, over: bool) -> str:
    """What else is to say of a step."""
    parts: list[str] = []
    if row.get("tries", 1) > 1:
        parts.append(f"{ordinal(row['tries'])} try")
    if row.get("kept"):
        parts.append("from the record")
    if row.get("kind") in ("scope", "fan_out"):
        parts += _counted(row, over=over)
    else:
        parts += _one(row, over=over)
    return " · ".join(parts)


def _counted(row: Row, *, over: bool) -> Iterator[str]:
    counts = row.get("counts", {})
    for name in _COUNTED:
        if counts.get(name):
            yield (
                plural(counts[name], "dead letter")
                if name == "dead"
                else f"{counts[name]:,} {word(name)}"
            )
    if row.get("again"):
        yield f"{row['again']:,} took another try"
    left = (row.get("count") or 0) - sum(counts.values())
    goes_on = row.get("state") in ("planned", "waiting", "running") and not over
    if row["kind"] == "fan_out" and left > 0 and goes_on:
        yield f"{left:,} to come"


def _one(row: Row, *, over: bool) -> Iterator[str]:
    state = row.get("state", "done")
    if state != "done":
        contract = state == "failed" and row.get("error", "").startswith("ContractViolation(")
        said = "failed (contract)" if contract else word(state)
        yield "not reached" if state == "planned" and over else said
    if row.get("worker") and row["worker"] != "memory":
        yield row["worker"]
    if row.get("ms") is not None:
        yield millis(row["ms"])
    if row.get("error"):
        yield row["error"]


def tree_lines(snapshot: Snapshot) -> list[Line]:
    """The tree, top to bottom; a very long one is cut."""
    tables = snapshot["tables"]
    nodes, stages = tables.get("nodes", {}), tables.get("stages", {})
    over = "took" in run_of(snapshot)
    below: dict[str, list[str]] = {}
    for key, row in [*nodes.items(), *stages.items()]:
        below.setdefault(row.get("parent", ""), []).append(key)
    for siblings in below.values():
        siblings.sort(key=lambda key: _place(key, stages.get(key) or nodes[key]))
    lines: list[Line] = []
    pending = [(key, 0) for key in reversed(below.get("", ()))]
    while pending:
        key, depth = pending.pop()
        row = nodes.get(key)
        if row is None:
            stage = stages[key]
            lines.append(Line(depth, None, "·", stage["text"], stage.get("note", "")))
            continue
        state = row.get("state", "done")
        glyph = GLYPHS["fold" if row.get("kind") == "fold" else state]
        lines.append(Line(depth, state, glyph, title(key, row), about(row, over=over)))
        pending += [(inner, depth + 1) for inner in reversed(below.get(key, ()))]
    if len(lines) > MOST_LINES:
        hidden = len(lines) - MOST_LINES
        lines[MOST_LINES:] = [Line(0, None, "⋯", f"and {hidden:,} more steps", "")]
    return lines


def _place(key: str, row: Row) -> tuple[tuple[tuple[int, str], ...], int]:
    """Where a row stands among its siblings: at its number, or in a place after another one."""
    number = row.get("number", 0)
    return _numbers(row.get("after", "") if number else key), number


def _numbers(path: str) -> tuple[tuple[int, str], ...]:
    parts = path.split("/") if path else []
    return tuple((int(part), "") if part.isdigit() else (1 << 59, part) for part in parts)


def rows_of(snapshot: Snapshot, table: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """Rows of a table, with their keys."""
    found: dict[str, Row] = snapshot["tables"].get(table, {})
    return found.items()
