"""How values of agentfx show themselves in a notebook: HTML beside IPython's text."""

import json
from abc import ABCMeta
from collections.abc import Callable, Iterable
from typing import Any

from agentfx.algebra import Action, AnyTask, Capability, Contract, Effect, Err, Given, Ok, brief
from agentfx.cluster import Cluster
from agentfx.harness import Comparison, Session
from agentfx.interpreters import Run
from agentfx.notebook._agent_displays import comparison_html, session_html
from agentfx.notebook._effect import effect
from agentfx.notebook._html import table, text_of
from agentfx.notebook._kit import the_kit
from agentfx.notebook._status import status_of
from agentfx.notebook._words import GLYPHS, word

ASK_SECONDS = 2.0
VALUE_CHARACTERS = 2_000
Render = Callable[[Any], str | None]


def exit_html(exit_: Ok[Any] | Err[Any]) -> str:
    """How a program ended: its value, or its failure with where and why."""
    if isinstance(exit_, Ok):
        return f"<p>✓ <b>Ok</b> <code>{text_of(_short(exit_.value))}</code></p>"
    error: Any = exit_.error
    where = f" at step {text_of(exit_.at)}" if exit_.at else ""
    head = f"<p>✗ <b>Err</b>{where}: <code>{text_of(type(error).__name__)}</code></p>"
    fields = [(name, _short(value)) for name, value in error.values().items()]
    notes = "\n".join(getattr(error, "__notes__", ()))
    trace = f"<details><summary>trace</summary><pre>{text_of(notes)}</pre></details>"
    body = table("Failure", ("field", "value"), fields) if fields else ""
    return f"<div>{head}{body}{trace if notes else ''}</div>"


def task_html(task: AnyTask) -> str:
    """A task or action: its promises, and its schemas."""
    options, limit = task.options, task.options.timeout_seconds
    rows = [
        ("runs", "at most once" if task.at_most_once else "again after a crash, with the same key"),
        ("declares", ", ".join(cls.__name__ for cls in options.raises) or "no failures"),
        ("idempotency key", ", ".join(options.key) or "one a call"),
        ("time limit", "none" if limit is None else f"{limit:g} s"),
    ]
    about = (task.function.__doc__ or "").strip()
    kind = "action" if task.at_most_once else "task"
    return (
        f"<div><p>{kind} <b><code>{text_of(task.id)}</code></b> {text_of(about)}</p>"
        f"{table('Promises', ('what', 'how'), rows)}{contract_html(task.contract)}</div>"
    )


def contract_html(contract: Contract) -> str:
    """The schemas of a contract."""
    schemas = (("input", contract.request_schema), ("output", contract.response_schema))
    return f"<div>{''.join(_json(name, schema) for name, schema in schemas)}</div>"


def _json(name: str, schema: Any) -> str:
    text = text_of(json.dumps(schema, indent=2))
    return f"<details><summary>schema of the {name}</summary><pre>{text}</pre></details>"


def given_html(given: Given[Any]) -> str:
    """Capabilities and what implements them."""
    rows = [(key.__name__, type(found).__name__) for key, found in given.table.items()]
    return table("Capabilities", ("interface", "implementation"), rows)


def capability_html(cls: type[Any]) -> str | None:
    """An interface of a capability; None for any other class."""
    if not issubclass(cls, Capability) or cls is Capability:
        return None
    methods = sorted(getattr(cls, "__abstractmethods__", ()))
    about = f"<p>capability <b><code>{text_of(cls.__name__)}</code></b></p>"
    if not methods:
        return f"<div>{about}</div>"
    rows = [(name, (getattr(cls, name).__doc__ or "").strip()) for name in methods]
    return f"<div>{about}{table('Methods', ('method', 'what it does'), rows)}</div>"


def run_html(run: Run[Any, Any]) -> str:
    """A run and how it stands, as far as the engine says so now."""
    try:
        state = the_kit().cluster.call(run.status(), ASK_SECONDS)
    except Exception:
        return f"<p>run <code>{text_of(run.id)}</code>, its engine does not answer</p>"
    glyph = GLYPHS.get(state, "")
    hint = f"<code>%resume {text_of(run.id)}</code> waits for it"
    return (
        f"<p>run <code>{text_of(run.id)}</code>: {glyph} <b>{text_of(word(state))}</b>; {hint}</p>"
    )


def cluster_html(cluster: Cluster) -> str:
    """An engine and its workers now."""
    try:
        return the_kit().cluster.call(status_of(cluster), ASK_SECONDS)._repr_html_()
    except Exception:
        return f"<p>Engine <code>{text_of(cluster.url)}</code>, which does not answer</p>"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= VALUE_CHARACTERS else brief(value)


_HTML: tuple[tuple[type[Any], Render], ...] = (
    (Effect, lambda program: effect(program)._repr_html_()),
    (Ok, exit_html),
    (Err, exit_html),
    (Action, task_html),
    (Contract, contract_html),
    (Given, given_html),
    (ABCMeta, capability_html),
    (Run, run_html),
    (Cluster, cluster_html),
    (Session, session_html),
    (Comparison, comparison_html),
)


def register_displays(shell: Any) -> None:
    """Make IPython show our values."""
    formatter = shell.display_formatter.formatters["text/html"]
    for cls, render in _HTML:
        formatter.for_type(cls, render)
    plain = shell.display_formatter.formatters["text/plain"]
    plain.for_type(Effect, _pretty_effect)


def unregister_displays(shell: Any) -> None:
    """Let IPython forget it again."""
    _forget(shell.display_formatter.formatters["text/html"], (cls for cls, _ in _HTML))
    _forget(shell.display_formatter.formatters["text/plain"], [Effect])


def _forget(formatter: Any, classes: Iterable[type[Any]]) -> None:
    for cls in classes:
        formatter.type_printers.pop(cls, None)


def _pretty_effect(program: Any, printer: Any, cycle: bool) -> None:
    printer.text("…" if cycle else str(effect(program)))
