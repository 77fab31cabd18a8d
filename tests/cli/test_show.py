"""Listings: tables for people, lines for pipes, records where a terminal is narrow."""

import io
from typing import Any

import pytest
from rich.console import Console

from agentfx.cli import _show as shown

COLUMNS = ("id", "task", "message")
ROWS: list[dict[str, Any]] = [
    {"id": "a" * 34, "task": "shop::charge", "message": "no [card] is there\nfor this customer"},
    {"id": "b" * 34, "task": "shop::send", "message": None},
]


def _said(monkeypatch: pytest.MonkeyPatch, width: int | None) -> list[str]:
    """The lines of a terminal so wide, or of a pipe."""
    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=width is not None, color_system=None, markup=False
    )
    monkeypatch.setattr(shown, "out", console)
    shown.show(ROWS, COLUMNS, as_json=False)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_in_a_pipe_a_row_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    head, first, second = _said(monkeypatch, None)
    assert head.split() == list(COLUMNS)
    assert first.endswith("no [card] is there\\nfor this customer")
    assert first.index("shop::charge") == second.index("shop::send") == head.index("task")


def test_on_a_wide_terminal_it_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    head, *rest = _said(monkeypatch, 80)
    assert head.split() == list(COLUMNS)
    assert all(row["id"] in "".join(rest) for row in ROWS)
    assert "shop::charge" in rest[0]


def test_on_a_narrow_one_a_row_goes_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _said(monkeypatch, 50)
    assert lines[0] == f"id       {'a' * 34}"
    assert lines[1] == "task     shop::charge"
    assert lines[2].startswith("message  no [card] is there")
    assert lines[-3:] == [f"id       {'b' * 34}", "task     shop::send", ""]
