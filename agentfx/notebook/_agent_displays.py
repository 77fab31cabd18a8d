"""How sessions and comparisons show themselves in a notebook."""

from typing import Any

from agentfx._errors import AgentfxError
from agentfx.harness import Comparison, LogEvent, Session, Status, log_rows
from agentfx.notebook._html import table, text_of
from agentfx.notebook._kit import the_kit

ASK_SECONDS = 2.0
MOST_ROWS = 200


def session_html(session: Session) -> str:
    """A session and how it stands, as far as the engine says so now."""
    name = text_of(session.id)
    try:
        status = the_kit().cluster.call(session.status(), ASK_SECONDS)
    except (AgentfxError, TimeoutError):
        return f"<p>session <code>{name}</code>, its engine does not answer</p>"
    state = "works" if status.busy else "is at rest"
    head = f"<p>session <code>{name}</code>: {status.head} events, {state}; "
    help_ = f"<code>%%ask</code> says something, <code>%log {name}</code> shows all</p>"
    return head + help_ + _held(status)


def _held(status: Status) -> str:
    if not status.held:
        return ""
    calls = ", ".join(f"<code>%approve {text_of(call)}</code>" for call in status.held)
    return (
        f"<p>⊘ waits for you: {calls}, or the form that <code>%ask</code> without words shows</p>"
    )


def comparison_html(found: Comparison) -> str:
    """What both branches came to, and their events side by side."""
    head = f"<p>the first <b>{found.shared}</b> events are the same</p>"
    sides = table("What both came to", ("", *found.names), found.sides())
    rows = [_pair(number, pair) for number, pair in enumerate(found.rows[:MOST_ROWS], 1)]
    more = len(found.rows) - len(rows)
    rest = (
        f"<p>and {more} rows more: <code>comparison.table()</code> has all</p>" if more > 0 else ""
    )
    columns = ("#", *(name for side in found.names for name in (side, "")))
    return f"<div>{head}{sides}{table('Events side by side', columns, rows)}{rest}</div>"


def _pair(number: int, pair: tuple[LogEvent | None, LogEvent | None]) -> tuple[Any, ...]:
    cells: list[str] = []
    for event in pair:
        row = log_rows([event])[0] if event is not None else {"kind": "", "text": ""}
        cells += [row["kind"], row["text"]]
    return (number, *cells)
