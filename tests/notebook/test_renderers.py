"""A run without a panel, as text and HTML: well formed, and whatever is in it stays inert."""

import unicodedata
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from pydantic import BaseModel

import agentfx as fx
from agentfx.notebook._chart import COLUMNS, MOST_LANES, chart_lines
from agentfx.notebook._displays import _HTML
from agentfx.notebook._html import STYLE, render_html
from agentfx.notebook._published import WIDGET_VIEW, stripped
from agentfx.notebook._text import render_text
from agentfx.notebook._view import View
from tests.notebook.streams import Event, streams
from tests.notebook.test_view import fan_out, fed, hand_off

ATTACK = "<script>alert(1)</script>\x1b[31m<img src=x onerror='alert(1)'>\x1b]8;;http://x\x07&\x00\u202e\u2066"
VOID = {"br"}
ALLOWED = {
    "b", "br", "caption", "code", "details", "div", "i", "li", "p", "pre", "style", "summary",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Page(HTMLParser):
    """Reads HTML, and notes what a browser would not forgive, or would run."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        self.faults += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.faults.append(f"<{tag}>")
        if tag not in VOID:
            self.open.append(tag)
        self.faults += [f"{tag} {name}" for name, _ in attrs if name not in ("class", "scope")]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def controls(text: str) -> set[str]:
    """What a terminal obeys, and what turns the direction of a line."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf")} - {"\n", "\t"}


def poisoned(events: list[Event]) -> list[Event]:
    """The same events, with an attack in each word that users write."""
    said = {"label": ATTACK, "task": f"t::{ATTACK}", "error": ATTACK}
    return [{**e, **{name: said[name] for name in said if name in e}} for e in events]


def poisoned_view(events: list[Event]) -> View:
    view = fed(poisoned(events))
    view.result(ATTACK)
    view.note(name=ATTACK, notice=ATTACK)
    row = {"run": ATTACK, "path": "1", "task": ATTACK, "reason": "crashed", "message": ATTACK}
    view.replace("dead", {ATTACK: row})
    return view


@given(streams())
def test_html_of_any_run_is_well_formed_and_runs_nothing(events: list[Event]) -> None:
    html = render_html(poisoned_view(events).snapshot())
    page = Page(html)
    assert page.faults == []
    assert controls(html) == set()
    assert "<script>alert(1)</script>" in page.text


@given(streams())
def test_text_of_any_run_has_no_codes_of_terminals(events: list[Event]) -> None:
    assert controls(render_text(poisoned_view(events).snapshot())) == set()


@given(streams())
def test_text_and_html_tell_of_the_same_hand_offs_and_workers(events: list[Event]) -> None:
    snapshot = fed(events).snapshot()
    text, page = render_text(snapshot), Page(render_html(snapshot))
    for name, row in snapshot["tables"].get("workers", {}).items():
        assert name in text
        assert name in page.text
        assert str(row["done"]) in text
    for line in chart_lines(snapshot):
        assert line in text
        assert line in page.text


@given(streams())
def test_the_chart_has_a_line_for_each_slot_and_keeps_its_width(events: list[Event]) -> None:
    snapshot = fed(events).snapshot()
    bars = snapshot["tables"].get("bars", {}).values()
    lanes = {(bar["worker"], bar["lane"]) for bar in bars}
    lines = chart_lines(snapshot)
    hidden = len(lanes) > MOST_LANES
    assert len(lines) == (min(len(lanes), MOST_LANES) + hidden + 1 if lanes else 0)
    for line in lines:
        drawn = line.split("  killed at")[0].split("  lost at")[0].split("  stopped at")[0]
        assert len(drawn) <= COLUMNS + 8


def test_the_chart_shows_where_a_bar_broke_off_and_where_its_second_one_begins() -> None:
    lost, again, axis = chart_lines(fed(hand_off()).snapshot())
    assert lost.startswith("w1  ")
    assert "├#9╌" in lost
    assert "╌\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}  lost at 1.21 s" in lost
    assert "├#9 2nd─" in again
    assert again.index("├") > lost.index("\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}")
    assert axis.split() == ["0", "s", "0.5", "s", "1", "s", "1.5", "s", "2", "s"]


def test_the_chart_of_many_jobs_is_short() -> None:
    lines = chart_lines(fed(fan_out(10_000)).snapshot())
    assert len(lines) < 20
    assert all(len(line) <= COLUMNS + 8 for line in lines)


def test_html_keeps_nothing_that_a_kernel_would_be_needed_for() -> None:
    html = render_html(fed(hand_off()).snapshot())
    text = Page(html).text
    for said in ("done", "#9", "noticed and queued again", "16 ms", "410 ms", "Timeline"):
        assert said in text
    assert "w1 lost" in text
    assert html.startswith(STYLE)


class Person(BaseModel):
    name: str = ATTACK


class Greeting(fx.Capability):
    """Greets. <script>alert(1)</script>"""

    async def greet(self, name: str) -> str:
        """Say hello <b>."""
        return name


class Refused(fx.Failure):
    why: str


@fx.task("test_renderers::greet", raises=(Refused,))
async def greet(person: Person) -> str:
    """Greets <script>alert(1)</script>."""
    return person.name


VALUES: list[tuple[Any, str]] = [
    (fx.Ok(ATTACK), "alert(1)"),
    (fx.Err(Refused(why=ATTACK)), "alert(1)"),
    (greet, "alert(1)"),
    (greet.contract, "Person"),
    (greet(Person()), "test_renderers::greet"),
    (Greeting.of(Greeting()), "Greeting"),
    (Greeting, "Greeting"),
]


@pytest.mark.parametrize(("value", "said"), VALUES, ids=lambda value: type(value).__name__)
def test_values_show_themselves_as_html_that_runs_nothing(value: Any, said: str) -> None:
    render = next(render for cls, render in _HTML if isinstance(value, cls))
    html = render(value)
    assert html is not None
    page = Page(html)
    assert page.faults == []
    assert controls(html) == set()
    assert said in page.text


def test_a_published_notebook_has_no_widgets_and_all_else() -> None:
    html: dict[str, Any] = {
        "output_type": "display_data",
        "data": {"text/html": "<p>", WIDGET_VIEW: {}},
    }
    alone: dict[str, Any] = {
        "output_type": "display_data",
        "data": {"text/plain": "a", WIDGET_VIEW: {}},
    }
    printed = {"output_type": "stream", "text": "hello"}
    notebook: dict[str, Any] = {
        "cells": [
            {"cell_type": "code", "outputs": [html, alone, printed]},
            {"cell_type": "markdown", "source": "text"},
        ],
        "metadata": {"widgets": {}, "kernelspec": {}},
    }
    assert stripped(notebook) == {
        "cells": [
            {
                "cell_type": "code",
                "outputs": [{**html, "data": {"text/html": "<p>"}}, printed],
            },
            {"cell_type": "markdown", "source": "text"},
        ],
        "metadata": {"kernelspec": {}},
    }


def test_before_a_run_has_begun_there_is_no_empty_table() -> None:
    assert "<table" not in render_html(View("r").snapshot())
