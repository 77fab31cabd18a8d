"""Listings: tables for people, JSON for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Control characters but for tab and new line, and those that turn the direction of what follows.
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_SHOWN = {code: f"\\u{code:04x}" for code in _CONTROLS - set(map(ord, "\t\n"))}


def visible(text: str) -> str:
    """A text in which a terminal finds nothing to obey; JSON stays the same JSON."""
    return text.translate(_SHOWN)


class _Terminal(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        shown = (visible(one) if isinstance(one, str) else one for one in objects)
        super().print(*shown, **options)


# What is printed came from users, tasks and engines: `[x]` and `:x:` in it mean themselves.
out = _Terminal(highlight=False, markup=False, emoji=False)
err = _Terminal(stderr=True, highlight=False, markup=False, emoji=False)
LEAST_COLUMN = 10
"""Characters that a column of words needs at least."""
WHOLE = frozenset({"id", "run", "job", "type", "status", "seq"})


def show_line(row: Mapping[str, Any], widths: Mapping[str, int]) -> None:
    """Print a row of a table that has no end yet.

    Args:
        row: What to show.
        widths: Of its columns, by their names; a cell that is wider moves those after it.
    """
    cells = (f"{visible(_cell(name, row.get(name))):<{widths[name]}}" for name in widths)
    out.print(f" {'  '.join(cells)}".rstrip(), soft_wrap=True)


def show(rows: Iterable[dict[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows: some columns as a table, or everything as JSON.

    Args:
        rows: What to list.
        columns: Keys of the rows that people want to see.
        as_json: Print JSON, one array.
    """
    rows = list(rows)
    if as_json:
        text = json.dumps(rows, indent=2)  # in ASCII: no terminal obeys what it says
        out.print_json(text) if out.is_terminal else out.file.write(f"{text}\n")
        return
    if not rows:
        out.print("nothing to list")
        return
    cells = [[visible(_cell(name, row.get(name))) for name in columns] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    if not out.is_terminal or sum(widths) + 2 * len(widths) <= out.width:
        _print_lines(columns, cells, widths)
    elif _least_width(columns, cells) <= out.width:
        out.print(_table(columns, cells))
    else:
        for row_cells in cells:
            out.print(_record(columns, row_cells), "")


def _print_lines(
    columns: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]
) -> None:
    """A row is a line, however long: for a file, `grep` or `less -S`; fast for thousands."""
    head, *lines = (
        f" {'  '.join(map(set_cell_size, row, widths)).rstrip()}" for row in (columns, *cells)
    )
    out.print(Text(head, style="bold"), soft_wrap=True)
    out.file.writelines(f"{line}\n" for line in lines)


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold")
    for name in columns:  # what one would copy stays whole, also on a narrow terminal
        table.add_column(name, overflow="fold", no_wrap=name in WHOLE, min_width=len(name))
    for row in cells:
        # As text, never as markup: what a task or a failure is called is not ours to interpret.
        table.add_row(*map(Text, row))
    return table


def _record(columns: Sequence[str], cells: Sequence[str]) -> Table:
    """A row from top to bottom, where its table would be too wide."""
    record = Table.grid(padding=(0, 2))
    record.add_column(style="bold", no_wrap=True, min_width=max(map(len, columns)))
    record.add_column(overflow="fold")
    for name, cell in zip(columns, cells, strict=True):
        if cell:
            record.add_row(name, Text(cell))
    return record


def _least_width(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """Characters below which a table cannot be read: it would fold words in pieces."""
    total = 0
    for number, name in enumerate(columns):
        longest = max(len(name), *(len(row[number]) for row in cells))
        total += 2 + (longest if name in WHOLE else min(longest, LEAST_COLUMN))
    return total


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("_at") and isinstance(value, (int, float)):
        return f"{datetime.fromtimestamp(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if type(value) is list:
        return _joined(value)
    return "\\n".join(str(value).strip().splitlines())


def _joined(items: Any) -> str:
    if items and isinstance(items[0], dict):
        return str(len(items))
    return ", ".join(map(str, items))
