"""Logs as tables for people: one row an event."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentfx.harness._event import LogEvent
from agentfx.harness._request import canonical
from agentfx.harness._turn import text_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "seq", "at", "writer", "epoch", "kind", "call", "text", "reacting_to", "tokens", "cost", "ms",
    "request", "hash",
)  # fmt: skip
TEXT_LENGTH = 200


def log_rows(
    events: Sequence[LogEvent], began: dict[str, float] | None = None
) -> list[dict[str, Any]]:
    """One row an event, with the same columns for all.

    Args:
        events: Of one session, in order.
        began: When what is under way began; the same one for every further part of a log.
    """
    began = {} if began is None else began
    found: list[dict[str, Any]] = []
    for event in events:
        body = event.body
        found.append(
            {
                "seq": event.seq,
                "at": datetime.fromtimestamp(event.at, UTC),
                "writer": event.writer,
                "epoch": event.epoch,
                "kind": event.kind,
                "call": body.get("call"),
                "text": text(event),
                "reacting_to": event.reacting_to,
                "tokens": body.get("tokens"),
                "cost": body.get("cost"),
                "ms": _took(event, began),
                "request": body.get("request"),
                "hash": event.hash,
            }
        )
    return found


def table(events: Sequence[LogEvent]) -> "pd.DataFrame":
    """The rows as a DataFrame."""
    import pandas as pd

    made = pd.DataFrame(log_rows(events), columns=list(COLUMNS))
    return made.astype({"reacting_to": "Int64", "tokens": "Int64"})  # whole numbers, some missing


def text(event: LogEvent) -> str:
    """One line about an event."""
    line = _LINES.get(event.kind, _other)(event.body).replace("\n", " ")
    return line if len(line) <= TEXT_LENGTH else line[: TEXT_LENGTH - 1] + "…"


def _took(event: LogEvent, began: dict[str, float]) -> float | None:
    """Milliseconds of what an event ends."""
    body = event.body
    if event.kind == "model_call":
        began[str(event.seq)] = event.at
    elif event.kind == "tool_started":
        began[f"call {body['call']}"] = event.at
    started = began.get(f"call {body['call']}" if event.kind == "tool_result" else "")
    if event.kind in ("assistant", "model_error"):
        started = began.get(str(body.get("attempt")))
    return None if started is None else round((event.at - started) * 1000, 3)


def _assistant(body: Mapping[str, Any]) -> str:
    calls = [f"{c['name']}({_arguments(c['input'])})" for c in body.get("calls", ())]
    words = text_of(body["content"])
    return "  ".join([*([f'"{words}"'] if words else []), *calls])


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={canonical(value)}" for name, value in values.items())


def _result(body: Mapping[str, Any]) -> str:
    mark = "failed: " if body["is_error"] else ""
    return f"{body.get('name', '')} → {mark}{body['content']}"


def _held(body: Mapping[str, Any]) -> str:
    return f"{body.get('name', '')}({_arguments(body.get('input', {}))}) waits for an approval"


def _usage(body: Mapping[str, Any]) -> str:
    why = "" if body["used"] else f", paid, not used: {body['why']}"
    return (
        f"{body['input'] + body['cache_write'] + body['cache_read']} in, {body['output']} out{why}"
    )


def _error(body: Mapping[str, Any]) -> str:
    after = "given up" if body["retry_in"] is None else f"again in {body['retry_in']:.1f} s"
    return f"{body['class']}: {body.get('message', '')}; {after}"


def _approved(body: Mapping[str, Any]) -> str:
    changed = f", as ({_arguments(body['arguments'])})" if body["edited"] else ""
    return f"call {body['call']}{changed}"


def _rejected(body: Mapping[str, Any]) -> str:
    reason = f": {body['reason']}" if body["reason"] else ""
    return f"call {body['call']}{reason}"


def _refused(body: Mapping[str, Any]) -> str:
    details = body["details"]
    return f"by the model: {canonical(dict(details))}" if details else "by the model"


def _cancelled(body: Mapping[str, Any]) -> str:
    closed = f"{len(body['closed'])} calls closed" if body["closed"] else ""
    return "; ".join(said for said in (body["reason"], closed) if said)


def _forked(body: Mapping[str, Any]) -> str:
    edited = ", with an edit" if body["edited"] else ""
    return f"of {body['parent']}, after its event {body['at']}{edited}"


def _other(body: Mapping[str, Any]) -> str:
    return canonical(dict(body))


_LINES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "session_started": lambda body: f"agent {body['agent']}, model {body['model'].get('name')}",
    "user_message": lambda body: str(body.get("content")),
    "model_call": lambda body: f"{body.get('blocks', 0)} blocks before, up to event {body['sent']}",
    "assistant": _assistant,
    "tool_started": lambda body: f"{body['task']}, delivery {body['delivery']}",
    "tool_result": _result,
    "approval_requested": _held,
    "approved": _approved,
    "rejected": _rejected,
    "usage": _usage,
    "model_error": _error,
    "refused": _refused,
    "limit_reached": lambda body: str(body["limit"]),
    "step_failed": lambda body: str(body["error"]),
    "cancelled": _cancelled,
    "forked": _forked,
    "cut": lambda body: f"the first {body['from']} messages are no longer sent",
}
