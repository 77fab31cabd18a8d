"""The tool calls of a session, as displays show them: pure, from the events of log and jobs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentfx.harness import LogEvent
from agentfx.notebook._approval import fields_of
from agentfx.notebook._log import plain
from agentfx.notebook._tables import Fields, Row, Tables

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
        arguments = ", ".join(f"{k}={json_text(v)}" for k, v in self.input.items())
        row: Row = {
            "type": "call", "call": call, "name": self.name, "arguments": plain(arguments),
            "state": self.state, "worker": self.worker, "result": plain(self.result),
            "ms": self.took_ms, "decided": plain(self.decided), "moves": list(self.moves),
            "output": list(self.output),
        }  # fmt: skip
        return {name: value for name, value in row.items() if value not in (None, "", [])}


class ToolCalls:
    """Keeps the rows of tool calls in the tables `talk` and `held`.

    Args:
        tables: Where the rows are.
        first: Number of the first event that is shown; of earlier calls, only held ones are.

    Attributes:
        tools: Those that the session was opened with, by name.
    """

    def __init__(self, tables: Tables, first: int) -> None:
        self._tables, self._first = tables, first
        self._calls: dict[str, _Call] = {}
        self.tools: Mapping[str, Fields] = {}

    def tool(self, call: str) -> Fields | None:
        """The tool of a call."""
        known = self._calls.get(call)
        return None if known is None else self.tools.get(known.name)

    def arguments(self, call: str) -> Fields:
        """What the model asked for in a call."""
        known = self._calls.get(call)
        return {} if known is None else known.input

    def held(self) -> list[str]:
        """Calls that wait for a person, the oldest first."""
        return [call for call, known in self._calls.items() if known.state == "held"]

    # What the log says

    def asked(self, call: str, key: str, wish: Fields) -> None:
        """The model has asked for a call, which has its place in the talk at `key`."""
        self._calls[call] = _Call(key, wish["name"], wish["input"])
        self._show(call)

    def apply(self, event: LogEvent) -> bool:
        """Take an event, if it is about one call; whether it is."""
        match event.kind:
            case "approval_requested":
                self._known(event).state = "held"
            case "approved":
                self._approved(self._known(event), event)
            case "rejected":
                reason = event.body.get("reason", "")
                self._known(event).decided = f"rejected by {event.writer} {reason}".rstrip()
            case "tool_started":
                self._started(self._known(event), event)
            case "tool_result":
                self._ended(self._known(event), event)
            case _:
                return False
        self._show(event.body["call"])
        return True

    def _known(self, event: LogEvent) -> _Call:
        body = event.body
        key = f"{event.seq:08d}"
        named = _Call(key, str(body.get("name", "a tool")), body.get("input", {}))
        return self._calls.setdefault(body["call"], named)

    def _approved(self, call: _Call, event: LogEvent) -> None:
        call.state = "queued"
        call.decided = f"approved by {event.writer}"
        if event.body.get("edited"):
            call.decided += f", with {json_text(event.body['arguments'])}"

    def _started(self, call: _Call, event: LogEvent) -> None:
        if call.moves and "to" not in call.moves[-1]:
            call.moves[-1] = {**call.moves[-1], "to": event.writer}
        elif event.body["delivery"] > 1 and call.worker and not call.moves:
            call.moves.append({"from": call.worker, "to": event.writer})
        call.state, call.worker, call.began = "running", event.writer, event.at

    def _ended(self, call: _Call, event: LogEvent) -> None:
        body = event.body
        call.state = "failed" if body["is_error"] else "done"
        if body.get("by") == "rejection":
            call.state = "rejected"
        call.result = str(body["content"])
        if call.began is not None:
            call.took_ms = round((event.at - call.began) * 1000, 1)

    # What the events of jobs say; of calls that are not on the log nothing is shown

    def printed(self, call: str, text: str) -> None:
        """The tool has printed a line."""
        if call in self._calls:
            self._calls[call].output.append(plain(text).rstrip("\n"))
            self._show(call)

    def lost(self, call: str, worker: str) -> None:
        """The worker of a call is gone."""
        known = self._calls.get(call)
        # The log and the jobs' events come by two ways: its next start may be known already.
        if known is None or (known.moves and known.moves[-1]["from"] == worker):
            return
        known.moves.append({"from": worker})
        known.state = "moved" if known.state in _OPEN else known.state
        self._show(call)

    def moved(self, call: str, move: Row) -> None:
        """Another worker has the call."""
        if call in self._calls:
            self._calls[call].moves[-1:] = [move]
            self._show(call)

    def _show(self, call: str) -> None:
        known = self._calls[call]
        shown = int(known.key.partition(".")[0]) >= self._first
        if known.state == "held":
            tool = self.tools.get(known.name)
            fields = [] if tool is None else fields_of(tool, known.input)
            self._tables.put("held", call, {"name": known.name, "fields": fields})
        else:
            self._tables.drop("held", call)
        if shown or known.state == "held":
            self._tables.put("talk", known.key, known.row(call))


def json_text(value: Any) -> str:
    """JSON for people: letters of any language as they are."""
    return json.dumps(value, ensure_ascii=False)
