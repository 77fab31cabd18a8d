"""The read model of an exchange with an agent: pure, from the events of its log and of its jobs.

Every display of a conversation is made of its tables: `session` (one row), `talk` (what was said
and done, in the order of keys), `held` (calls that wait for a person), `workers` and `log`.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from agentfx.harness import LogEvent, Status, text_of
from agentfx.harness import log_rows as rows_of_log
from agentfx.jobs import Told
from agentfx.notebook._log import plain
from agentfx.notebook._roster import Roster
from agentfx.notebook._tables import Diff, Fields, Row, Snapshot, Tables
from agentfx.notebook._tool_calls import ToolCalls, json_text

KEPT_LOG = 1000
LIVE = "99999999"
"""Key of what is being said now: behind everything that is on record."""
_ENDS = ("refused", "limit_reached", "step_failed", "cancelled")
WORDS_CHARACTERS = 200_000


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
        self._calls = ToolCalls(self._tables, first)
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
                if not self._calls.apply(event):
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
                    self._roster.job(Told.of(row))
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
            return self._calls.tool(call)

    def arguments(self, call: str) -> Fields:
        """What the model asked for in a call."""
        with self._lock:
            return self._calls.arguments(call)

    @property
    def head(self) -> int:
        """Number of the last event that was taken."""
        return self._head

    @property
    def held(self) -> list[str]:
        """Calls that wait for a person, the oldest first."""
        with self._lock:
            return self._calls.held()

    def _flush(self) -> None:
        self._roster.flush(self._tables)
        row = {name: value for name, value in self._row.items() if value is not None}
        self._tables.put("session", "session", row)

    # What each kind of event says

    def _on_session_started(self, event: LogEvent) -> None:
        body = event.body
        self._row.update(agent=body["agent"], model=body["model"].get("name"))
        self._calls.tools = {tool["name"]: tool for tool in body.get("tools", ())}

    def _on_forked(self, event: LogEvent) -> None:
        settings = event.body.get("settings")
        if settings:
            self._on_session_started(LogEvent(0, 0.0, "", 0, "", settings))
        self._put(event, {
            "type": "note", "text": f"branch of {event.body['parent']} at event {event.body['at']}",
        })  # fmt: skip

    def _on_user_message(self, event: LogEvent) -> None:
        content = event.body.get("content")
        text = content if isinstance(content, str) else json_text(content)
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
            self._calls.asked(call["call"], f"{event.seq:08d}.{number:03d}", call)

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
            text = f"{event.kind.replace('_', ' ')}: {said or json_text(event.body)}"
            self._put(event, {"type": "note", "tone": "failed", "text": plain(text)})

    # Rows

    def _put(self, event: LogEvent, row: Row) -> None:
        if event.seq >= self.first:
            self._tables.put("talk", f"{event.seq:08d}", {**row, "seq": event.seq})

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
        if kind == "output" and sort == "call":
            self._calls.printed(name, str(row.get("label") or ""))
        elif kind == "job_lost":
            self._losses[path] = row
            worker = str(row.get("worker") or "?")
            if sort == "call":
                self._calls.lost(name, worker)
            elif sort == "wake":
                self._say_again(name, f"{worker} was lost in the middle of a step")
        elif kind == "job_requeued" and path in self._losses:
            self._losses[path] = {**self._losses[path], "requeued": row["at"]}
        elif kind == "job_started" and path in self._losses:
            move = _move(self._losses.pop(path), row)
            if sort == "call":
                self._calls.moved(name, move)
            elif sort == "wake":
                self._say_again(name, "the step goes on", moves=[move])

    def _say_again(self, step: str, text: str, **more: Any) -> None:
        row = {"type": "note", "tone": "again", "text": text, **more}
        self._tables.put("talk", f"{self._head:08d}.9{step}", row)


def _move(lost: Fields, started: Fields) -> Row:
    requeued = lost.get("requeued", lost["at"])
    noticed = float(lost.get("ms") or 0.0) + (requeued - lost["at"]) * 1000
    return {
        "from": lost.get("worker") or "?", "to": started.get("worker") or "?",
        "noticed_ms": round(noticed, 1), "waited_ms": round((started["at"] - requeued) * 1000, 1),
    }  # fmt: skip


def _words(text: str) -> str:
    """What is said is shown whole."""
    return plain(text, WORDS_CHARACTERS)


def _with_thinking(row: Row, thinking: str) -> Row:
    return {**row, "thinking": _words(thinking)} if thinking else row


def _state(status: Status) -> str:
    if status.busy:
        return "waiting" if status.due_at is not None else "running"
    return "held" if status.held else "idle"
