"""A branch of a log: the same first events, no effect repeated, the parent untouched."""

from dataclasses import replace

import orjson

from agentfx.jobs import ghost
from agentfx.services._host import FunctionError
from agentfx.services._session_rows import SessionRow
from agentfx.services._store import Transaction
from agentfx.services.sessions._log import Log, chained
from agentfx.services.sessions._messages import Fork, NewEvent
from agentfx.wire import Json

BRANCHED = "This session was branched before the call ended; in this branch it does not go on."


def fork(t: Transaction, source: SessionRow, copy: SessionRow, message: Fork, now: float) -> Log:
    """Make the branch; its log, with every call of the parent closed.

    Raises:
        FunctionError: `unknown_event`: the parent has no such event.
    """
    if not 1 <= message.at <= source.head:
        raise FunctionError(
            "unknown_event", f"session {source.id} has events 1 to {source.head}, not {message.at}"
        )
    kept = message.at - 1 if message.edit is not None else message.at
    fresh = replace(
        copy, epoch=source.epoch + 1, head=kept, chain="", wakes=0, wake=None, wake_head=0,
        due_at=None,
    )  # fmt: skip
    if message.agent is not None:  # before the first wake is queued: it is this agent's
        fresh = replace(
            fresh, agent=message.agent, code=message.code, policy=message.policy,
            results=message.results, budget=message.budget,
        )  # fmt: skip
    fresh = replace(fresh, no=t.sessions.add(fresh))
    t.sessions.copy(source.no, fresh.no, kept)
    log = Log(t, replace(fresh, chain=_chain_at(t, source, kept)), now)
    if message.edit is not None:
        _add_edited(log, source, message)
    body: dict[str, Json] = {
        "parent": source.id, "at": message.at, "edited": message.edit is not None,
        "settings": message.settings,
    }  # fmt: skip
    log.add(message.writer, [NewEvent("forked", body)])
    _close_calls(log, message.writer)
    log.wake()
    return log


def _chain_at(t: Transaction, source: SessionRow, seq: int) -> str:
    if not seq:
        return ""
    return t.sessions.events(source.no, seq - 1, 1, 1)[0].hash


def _add_edited(log: Log, source: SessionRow, message: Fork) -> None:
    row = log.t.sessions.events(source.no, message.at - 1, 1, 1)[0]
    changed = replace(row, body=orjson.dumps(message.edit).decode(), writer=message.writer)
    changed = replace(changed, hash=chained(log.row.chain, changed))
    log.t.sessions.append(log.row.no, [changed])
    log.row = replace(log.row, head=changed.seq, chain=changed.hash)


def _close_calls(log: Log, writer: str) -> None:
    """Calls without a result among the kept events get one: the parent's jobs never write here."""
    for call, started, request in _open_calls(log):
        result = ghost(started=started, why=BRANCHED)
        body = {
            "call": call, "content": result.content, "is_error": True, "by": "fork", **request,
        }  # fmt: skip
        log.add(writer, [NewEvent("tool_result", body, f"result/{call}", stimulus=True)])


def _open_calls(log: Log) -> list[tuple[str, bool, dict[str, Json]]]:
    calls: dict[str, dict[str, Json]] = {}
    started: set[str] = set()
    for row in log.t.sessions.events(log.row.no, 0, log.row.head, 1 << 40):
        body = orjson.loads(row.body)
        if row.kind == "assistant":
            for call in body.get("calls", ()):
                named = ("id", "name", "input")
                calls[call["call"]] = {name: call[name] for name in named if name in call}
        elif row.kind == "tool_started":
            started.add(body["call"])
        elif row.kind == "tool_result":
            calls.pop(body["call"], None)
    return [(call, call in started, request) for call, request in calls.items()]
