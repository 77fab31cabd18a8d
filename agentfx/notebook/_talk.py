"""The read model of an exchange with an agent: pure, from the events of its log and of its jobs.

Every display of a conversation is made of its tables: `session` (one row), `talk` (what was said
and done, in the order of keys), `held` (calls that wait for a person), `workers` and `log`.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agentfx.harness import LogEvent, Status, text_of
from agentfx.harness import log_rows as rows_of_log
from agentfx.notebook._approval import fields_of
from agentfx.notebook._log import plain
from agentfx.notebook._roster import Roster
from agentfx.notebook._tables import Diff, Row, Snapshot, Tables

Fields: TypeAlias = Mapping[str, Any]
KEPT_LOG = 1000
LIVE = "99999999"
"""Key of what is being said now: behind everything that is on record."""
_ENDS = ("refused", "limit_reached", "step_failed", "cancelled")
WORDS_CHARACTERS = 200_000
_OPEN = ("held", "queued", "running", "moved")


@dataclass(slots=True)
class _Call:
    """A tool call, and how it went so far."""

    key: str
    name: str
    input: Fields
    state: str = "queued"
    worker: str = ""
    began: float | None = None
    took_ms: float | None = None
    result: str = ""
    decided: str = ""
    output: list[str] = field(default_factory=list[str])
    moves: list[Row] = field(default_factory=list[Row])

    def row(self, call: str) -> Row:
        arguments = ", ".join(f"{k}={_json(v)}" for k, v in self.input.items())
        row: Row = {
            "type": "call", "call": call, "name": self.name, "arguments": plain(arguments),
            "state": self.state, "worker": self.worker, "result": plain(self.result),
            "ms": self.took_ms, "decided": plain(self.decided), "moves": list(self.moves),
            "output": list(self.output),
        }  # fmt: skip
        return {name: value for name, value in row.items() if value not in (None, "", [])}


class Talk:
    """Takes what happens in a session, in order, and gives the state of all displays.

    Any thread may use it.

    Args:
        session: Id of the session.
        first: Number of the first event that is shown; those before only count.
    """

    def __init__(self, session: str, first: int = 1) -> None:
        self.session, self.first = session, first
        self._lock = threading.RLock()
        self._tables = Tables()
        self._roster = Roster()
        self._calls: dict[str, _Call] = {}
        self._tools: Mapping[str, Fields] = {}
        self._began: dict[str, float] = {}
        self._logged: list[str] = []
        self._models: dict[str, float] = {}
        self._losses: dict[str, Fields] = {}
        self._live: list[Fields] = []
        self._head = 0
        self._since = 0.0
        self._row: Row = {
            "id": session, "state": "idle", "input": 0, "output": 0, "cost": None, "unused": 0.0,
            "calls": 0,
        }  # fmt: skip

    # In

    def apply(self, events: Sequence[LogEvent]) -> None:
        """Events of the log, from the first one on."""
        with self._lock:
            for event in events:
                self._head = event.seq
                getattr(self, f"_on_{event.kind}", self._on_other)(event)
            for number, row in zip(events, rows_of_log(events, self._began), strict=True):
                if number.seq >= self.first:
                    self._log(row)

    def say(self, parts: Iterable[Fields], *, voided: bool) -> None:
        """Pieces of an answer that is not finished."""
        with self._lock:
            if voided:
                self._live.clear()
            self._live += parts
            text = "".join(str(p["text"]) for p in self._live if p.get("type") == "text")
            thinking = "".join(str(p["text"]) for p in self._live if p.get("type") == "thinking")
            if not self._live:
                self._tables.drop("talk", LIVE)
                return
            row = {"type": "answer", "live": True, "text": _words(text)}
            self._tables.put("talk", LIVE, _with_thinking(row, thinking))

    def jobs(self, rows: Iterable[Fields]) -> None:
        """Events of the session's jobs, and of workers."""
        with self._lock:
            for row in rows:
                if row["at"] < self._since:
                    continue
                kind = str(row["type"])
                if kind in ("worker_joined", "worker_lost", "worker_left") and row.get("worker"):
                    self._roster.change(kind, row["worker"])
                elif row.get("job"):
                    self._roster.job(kind, row)
                    self._moved(kind, row)

    def since(self, at: float) -> None:
        """Leave out what jobs did before a time (wall)."""
        self._since = at

    def stand(self, status: Status) -> None:
        """How the session stands, as the services say."""
        with self._lock:
            self._row["state"] = _state(status)
            self._row["spent"] = status.spent or None
            self._row["retry_at"] = status.due_at

    def workers(self, rows: Iterable[Fields]) -> None:
        """What the services know of the workers now."""
        with self._lock:
            self._roster.polled(rows)

    def killed(self, label: str, *, asked: bool) -> None:
        """A worker is about to be killed on purpose, or was."""
        with self._lock:
            if asked:
                self._roster.kill_asked(label)
            else:
                self._roster.killed(label)

    def note(self, **values: Any) -> None:
        """Other things to say of the session; None takes one away."""
        with self._lock:
            self._row.update(values)

    # Out

    def snapshot(self) -> Snapshot:
        """Everything, as of now."""
        with self._lock:
            self._flush()
            return self._tables.snapshot()

    def diff(self, since: int) -> Diff | None:
        """What changed after a version, None if nothing did."""
        with self._lock:
            self._flush()
            return self._tables.diff(since) if self._tables.version != since else None

    def tool(self, call: str) -> Fields | None:
        """The tool of a call, as the session was opened with it."""
        with self._lock:
            known = self._calls.get(call)
            return None if known is None else self._tools.get(known.name)

    def arguments(self, call: str) -> Fields:
        """What the model asked for in a call."""
        with self._lock:
            known = self._calls.get(call)
            return {} if known is None else known.input

    @property
    def head(self) -> int:
        """Number of the last event that was taken."""
        return self._head

    @property
    def held(self) -> list[str]:
        """Calls that wait for a person, the oldest first."""
        with self._lock:
            return [call for call, known in self._calls.items() if known.state == "held"]

    def _flush(self) -> None:
        self._roster.flush(self._tables)
        row = {name: value for name, value in self._row.items() if value is not None}
        self._tables.put("session", "session", row)

    # What each kind of event says

    def _on_session_started(self, event: LogEvent) -> None:
        body = event.body
        self._row.update(agent=body["agent"], model=body["model"].get("name"))
        self._tools = {tool["name"]: tool for tool in body.get("tools", ())}

    def _on_forked(self, event: LogEvent) -> None:
        settings = event.body.get("settings")
        if settings:
            self._on_session_started(LogEvent(0, 0.0, "", 0, "", settings))
        self._put(event, {
            "type": "note", "text": f"branch of {event.body['parent']} at event {event.body['at']}",
        })  # fmt: skip

    def _on_user_message(self, event: LogEvent) -> None:
        content = event.body.get("content")
        text = content if isinstance(content, str) else _json(content)
        self._put(event, {"type": "user", "text": _words(text), "by": event.writer})

    def _on_model_call(self, event: LogEvent) -> None:
        self._models[str(event.seq)] = event.at
        self._row["calls"] += event.seq >= self.first
        self._row["step_by"] = event.writer

    def _on_assistant(self, event: LogEvent) -> None:
        body = event.body
        self._live.clear()
        self._tables.drop("talk", LIVE)
        words = text_of(body["content"])
        thinking = "".join(
            str(b.get("thinking", "")) for b in body["content"] if b["type"] == "thinking"
        )
        row: Row = {"type": "answer", "text": _words(words), "worker": event.writer}
        began = self._models.pop(str(body.get("attempt")), None)
        if began is not None:
            row["ms"] = round((event.at - began) * 1000, 1)
        if body["stop_reason"] not in ("end_turn", "tool_use", "stop_sequence"):
            row["stop"] = body["stop_reason"]
        if words or thinking:
            self._put(event, _with_thinking(row, thinking))
        for number, call in enumerate(body.get("calls", ())):
            known = _Call(f"{event.seq:08d}.{number:03d}", call["name"], call["input"])
            self._calls[call["call"]] = known
            self._show(call["call"])

    def _on_approval_requested(self, event: LogEvent) -> None:
        call = self._known(event)
        call.state = "held"
        self._show(event.body["call"])

    def _on_approved(self, event: LogEvent) -> None:
        call = self._known(event)
        call.state = "queued"
        call.decided = f"approved by {event.writer}"
        if event.body.get("edited"):
            call.decided += f", with {_json(event.body['arguments'])}"
        self._show(event.body["call"])

    def _on_rejected(self, event: LogEvent) -> None:
        call = self._known(event)
        call.decided = f"rejected by {event.writer} {event.body.get('reason', '')}".rstrip()
        self._show(event.body["call"])

    def _on_tool_started(self, event: LogEvent) -> None:
        call = self._known(event)
        if call.moves and "to" not in call.moves[-1]:
            call.moves[-1] = {**call.moves[-1], "to": event.writer}
        elif event.body["delivery"] > 1 and call.worker and not call.moves:
            call.moves.append({"from": call.worker, "to": event.writer})
        call.state, call.worker, call.began = "running", event.writer, event.at
        self._show(event.body["call"])

    def _on_tool_result(self, event: LogEvent) -> None:
        body = event.body
        call = self._known(event)
        call.state = "failed" if body["is_error"] else "done"
        if body.get("by") == "rejection":
            call.state = "rejected"
        call.result = str(body["content"])
        if call.began is not None:
            call.took_ms = round((event.at - call.began) * 1000, 1)
        self._show(body["call"])

    def _on_usage(self, event: LogEvent) -> None:
        body = event.body
        paid = body.get("cost")
        if event.seq >= self.first:
            self._row["input"] += body["input"] + body["cache_write"] + body["cache_read"]
            self._row["output"] += body["output"]
            if paid is not None:
                self._row["cost"] = (self._row["cost"] or 0.0) + paid
                self._row["unused"] += 0.0 if body["used"] else paid
        if not body["used"]:
            text = f"a model call was paid and not used: {body['why']}"
            self._put(event, {"type": "note", "tone": "again", "text": text})

    def _on_model_error(self, event: LogEvent) -> None:
        body = event.body
        self._live.clear()
        self._tables.drop("talk", LIVE)
        after = (
            "given up" if body["retry_in"] is None else f"tried again in {body['retry_in']:.1f} s"
        )
        text = plain(f"{body['class']}: {body.get('message', '')}; {after}")
        tone = "failed" if body["retry_in"] is None else "again"
        self._put(event, {"type": "note", "tone": tone, "text": text})

    def _on_cut(self, event: LogEvent) -> None:
        text = "earlier messages are no longer sent to the model"
        self._put(event, {"type": "note", "text": text})

    def _on_other(self, event: LogEvent) -> None:
        if event.kind in _ENDS:
            said = event.body.get("limit") or event.body.get("error") or event.body.get("reason")
            text = f"{event.kind.replace('_', ' ')}: {said or _json(event.body)}"
            self._put(event, {"type": "note", "tone": "failed", "text": plain(text)})

    # Rows

    def _put(self, event: LogEvent, row: Row) -> None:
        if event.seq >= self.first:
            self._tables.put("talk", f"{event.seq:08d}", {**row, "seq": event.seq})

    def _known(self, event: LogEvent) -> _Call:
        body = event.body
        key = f"{event.seq:08d}"
        named = _Call(key, str(body.get("name", "a tool")), body.get("input", {}))
        return self._calls.setdefault(body["call"], named)

    def _show(self, call: str) -> None:
        known = self._calls[call]
        shown = int(known.key.partition(".")[0]) >= self.first
        if known.state == "held":
            tool = self._tools.get(known.name)
            fields = [] if tool is None else fields_of(tool, known.input)
            self._tables.put("held", call, {"name": known.name, "fields": fields})
        else:
            self._tables.drop("held", call)
        if shown or known.state == "held":
            self._tables.put("talk", known.key, known.row(call))

    def _log(self, row: Fields) -> None:
        key = f"{row['seq']:08d}"
        shown = {
            "at": row["at"].strftime("%H:%M:%S.%f")[:-3], "writer": row["writer"],
            "epoch": row["epoch"], "kind": row["kind"], "text": plain(row["text"]),
            "tokens": row["tokens"], "cost": row["cost"], "ms": row["ms"],
        }  # fmt: skip
        self._tables.put("log", key, {k: v for k, v in shown.items() if v is not None})
        self._logged.append(key)
        if len(self._logged) > KEPT_LOG:
            self._tables.drop("log", self._logged.pop(0))

    # Hand-offs

    def _moved(self, kind: str, row: Fields) -> None:
        path = str(row.get("path") or "")
        sort, _, name = path.partition("/")
        if kind == "output" and sort == "call" and name in self._calls:
            self._calls[name].output.append(plain(row.get("label") or "").rstrip("\n"))
            self._show(name)
        elif kind == "job_lost":
            self._losses[path] = row
            if sort == "call" and name in self._calls:
                self._call_lost(name, str(row.get("worker") or "?"))
            elif sort == "wake":
                self._tables.put("talk", f"{self._head:08d}.9{name}", {
                    "type": "note", "tone": "again",
                    "text": f"{row.get('worker')} was lost in the middle of a step",
                })  # fmt: skip
        elif kind == "job_requeued" and path in self._losses:
            self._losses[path] = {**self._losses[path], "requeued": row["at"]}
        elif kind == "job_started" and path in self._losses:
            self._handed_on(sort, name, self._losses.pop(path), row)

    def _call_lost(self, name: str, worker: str) -> None:
        known = self._calls[name]
        # The log and the jobs' events come by two ways: its next start may be known already.
        if known.moves and known.moves[-1]["from"] == worker:
            return
        known.moves.append({"from": worker})
        known.state = "moved" if known.state in _OPEN else known.state
        self._show(name)

    def _handed_on(self, sort: str, name: str, lost: Fields, row: Fields) -> None:
        requeued = lost.get("requeued", lost["at"])
        noticed = float(lost.get("ms") or 0.0) + (requeued - lost["at"]) * 1000
        move = {
            "from": lost.get("worker") or "?", "to": row.get("worker") or "?",
            "noticed_ms": round(noticed, 1), "waited_ms": round((row["at"] - requeued) * 1000, 1),
        }  # fmt: skip
        if sort == "call" and name in self._calls:
            known = self._calls[name]
            known.moves[-1:] = [move]
            self._show(name)
        elif sort == "wake":
            self._tables.put("talk", f"{self._head:08d}.9{name}", {
                "type": "note", "tone": "again", "text": "the step goes on", "moves": [move],
            })  # fmt: skip


def _words(text: str) -> str:
    """What is said is shown whole."""
    return plain(text, WORDS_CHARACTERS)


def _with_thinking(row: Row, thinking: str) -> Row:
    return {**row, "thinking": _words(thinking)} if thinking else row


def _state(status: Status) -> str:
    if status.busy:
        return "waiting" if status.due_at is not None else "running"
    return "held" if status.held else "idle"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
