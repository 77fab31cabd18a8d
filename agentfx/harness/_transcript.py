"""From the log to a request: a fold over events, the same in every process at every time.

What was sent is never sent differently later. A model call's event says up to which event the
request went; everything up to there is frozen as it was sent: a tool that was still running
keeps its placeholder, and its result comes later, as text. So each request only adds to the one
before, until an event of kind `cut` begins anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from agentfx.harness._event import LogEvent
from agentfx.harness._request import Block, Message, Request, canonical, digest

RUNNING = (
    "This call is still running. Its result will come in a later message: go on with something "
    "else, or end your turn; do not make the call again."
)
LEFT_OUT = "[Earlier messages of this conversation were left out here.]"
NO_TEXT = "[no text]"
_THINKING = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of a turn: its id in the session, and the id the model gave it."""

    call: str
    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(slots=True)
class Transcript:
    """What a log comes to so far.

    Attributes:
        head: Number of the last event; `hash` is of all events.
        epoch: Of the last event.
        agent: Body of `session_started`.
        model: What the model said of itself.
        sent: Up to which event a request went.
        reacted: Up to which stimulus there was a reaction.
        stimulus: Number of the last stimulus.
        calls: Open calls, by their id in the session.
        steps: Model calls since the last message of a user.
        message_at: When that message came.
        errors: Failed attempts since the last turn that came to an end.
        pauses: Paused turns in a row.
        failed: Identical failing calls since the last message: how often, by what was asked.
        tokens: Of all model calls.
        cost: Of all model calls.
        blocks: How many content blocks the messages have, and their `size` in characters.
        chain: Hash of them.
        shared: Blocks that the last request had.
        dropped: Messages that were cut from the front.
    """

    head: int = 0
    hash: str = ""
    epoch: int = 1
    agent: Mapping[str, Any] = field(default_factory=dict[str, Any])
    model: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sent: int = 0
    reacted: int = 0
    stimulus: int = 0
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    steps: int = 0
    message_at: float = 0.0
    errors: int = 0
    pauses: int = 0
    failed: dict[str, int] = field(default_factory=dict[str, int])
    tokens: int = 0
    cost: float = 0.0
    blocks: int = 0
    size: int = 0
    chain: str = ""
    shared: int = 0
    dropped: int = 0
    _messages: list[Message] = field(default_factory=list[Message])
    _waiting: list[LogEvent] = field(default_factory=list[LogEvent])
    _unanswered: list[Call] = field(default_factory=list[Call])
    _open: bool = False  # the last message is a user's that may get more

    # Folding

    def add(self, events: Iterable[LogEvent]) -> "Transcript":
        """Take events in order; returns itself."""
        for event in events:
            if event.seq != self.head + 1:
                raise ValueError(f"event {event.seq} after event {self.head}")
            self.head, self.hash, self.epoch = event.seq, event.hash, event.epoch
            if event.stimulus:
                self.stimulus = event.seq
                self._waiting.append(event)
            if event.reacting_to is not None:
                self.reacted = max(self.reacted, event.reacting_to)
            handler = _ON.get(event.kind)
            if handler is not None:
                handler(self, event)
        return self

    def request(self, upto: int) -> Request:
        """The request that shows every stimulus up to an event; nothing changes here."""
        shown = copy(self)
        shown._messages, shown._waiting = list(self._messages), list(self._waiting)
        shown._unanswered = list(self._unanswered)
        shown._freeze(upto)
        messages = tuple(shown._messages)
        tools = tuple(tool["spec"] for tool in self.agent.get("tools", ()))
        system = str(self.agent.get("system", ""))
        name = digest([system, canonical(list(tools)), shown.chain])
        return Request(self.model, system, tools, messages, self.shared, name)

    @property
    def turns(self) -> Sequence[tuple[int, int]]:
        """Where a window may begin: the place of a message, and the size of all from there.

        Each is a user's message that answers no call, so that no pair is split. Places count
        all messages, those that were dropped too: event numbers are no order here, since a
        message that came during a model call stands behind its answer.
        """
        found: list[tuple[int, int]] = []
        size = 0
        for index in range(len(self._messages) - 1, 0, -1):
            message = self._messages[index]
            size += sum(len(canonical(block)) for block in message.content)
            if _begins_turn(message):
                found.append((self.dropped + index, size))
        return found[::-1]

    def _freeze(self, upto: int) -> None:
        """Put everything that waits, up to an event, where it stays."""
        ready = [event for event in self._waiting if event.seq <= upto]
        if not ready and not (self._unanswered and upto > self.sent):
            return
        self._waiting = [event for event in self._waiting if event.seq > upto]
        results = {e.body["call"]: e for e in ready if e.kind == "tool_result"}
        blocks: list[Block] = []
        blocks += [_result_block(c, results.pop(c.call, None)) for c in self._unanswered]
        self._unanswered = []
        late = set(results)
        for event in ready:
            if event.kind != "tool_result":
                blocks += _message_blocks(event.body)
            elif event.body["call"] in late:
                blocks.append(_late_block(event.body))
        if blocks:
            self._extend(blocks)

    def _extend(self, blocks: list[Block]) -> None:
        if self._open:
            last = self._messages[-1]
            self._messages[-1] = Message("user", (*last.content, *blocks))
        else:
            self._messages.append(Message("user", tuple(blocks)))
        self._open = True
        self._count("user", blocks)

    def _count(self, role: str, blocks: Sequence[Block]) -> None:
        for block in blocks:
            text = f"{role} {canonical(block)}"
            self.blocks += 1
            self.size += len(text)
            self.chain = digest([self.chain, text])

    def _replace(self, messages: list[Message]) -> None:
        self._messages = messages
        self.blocks, self.size, self.chain = 0, 0, ""
        for message in messages:
            self._count(message.role, message.content)
        self.shared = 0

    # What each kind of event does

    def _on_started(self, event: LogEvent) -> None:
        self.agent, self.model = event.body, event.body.get("model", {})

    def _on_user_message(self, event: LogEvent) -> None:
        self.steps, self.errors, self.pauses = 0, 0, 0
        self.failed, self.message_at = {}, event.at

    def _on_model_call(self, event: LogEvent) -> None:
        self._freeze(event.body["sent"])
        self.sent = event.body["sent"]
        self.steps += 1
        self.shared = self.blocks

    def _on_assistant(self, event: LogEvent) -> None:
        body = event.body
        content: tuple[Block, ...] = tuple(body["content"])
        if content:
            self._messages.append(Message("assistant", content))
            self._open = False
            self._count("assistant", content)
        self._unanswered = [_call(item) for item in body.get("calls", ())]
        self.calls.update((call.call, call) for call in self._unanswered)
        self.errors = 0
        self.pauses = self.pauses + 1 if body.get("stop_reason") == "pause_turn" else 0

    def _on_tool_result(self, event: LogEvent) -> None:
        call = self.calls.pop(event.body["call"], None)
        if call is None:
            return
        asked = same_call(call.name, call.input)
        if event.body["is_error"]:
            self.failed[asked] = self.failed.get(asked, 0) + 1
        else:
            self.failed.pop(asked, None)

    def _on_usage(self, event: LogEvent) -> None:
        self.tokens += int(event.body.get("tokens") or 0)
        self.cost += float(event.body.get("cost") or 0.0)

    def _on_error(self, event: LogEvent) -> None:
        self.errors += 1

    def _on_model_changed(self, event: LogEvent) -> None:
        self.model = event.body["model"]

    def _on_forked(self, event: LogEvent) -> None:
        settings: Mapping[str, Any] | None = event.body.get("settings")
        if settings:
            self.agent = {**self.agent, **settings}
            self.model = self.agent.get("model", self.model)
            self._replace([_stripped(message) for message in self._messages])
        elif event.body["edited"] and self._messages and not self._open:
            self._replace([*self._messages[:-1], _stripped(self._messages[-1])])

    def _on_cut(self, event: LogEvent) -> None:
        """Drop messages from the front; what is kept loses the thinking made under them."""
        going = event.body["from"] - self.dropped
        kept = [_stripped(message) for message in self._messages[going:]]
        if kept:
            note: Block = {"type": "text", "text": LEFT_OUT}
            kept[0] = replace(kept[0], content=(note, *kept[0].content))
        self.dropped += going
        self._replace(kept)


_ON: dict[str, Callable[[Transcript, LogEvent], None]] = {
    "session_started": Transcript._on_started,
    "user_message": Transcript._on_user_message,
    "model_call": Transcript._on_model_call,
    "assistant": Transcript._on_assistant,
    "tool_result": Transcript._on_tool_result,
    "usage": Transcript._on_usage,
    "model_error": Transcript._on_error,
    "model_changed": Transcript._on_model_changed,
    "forked": Transcript._on_forked,
    "cut": Transcript._on_cut,
}


def transcript_of(events: Iterable[LogEvent]) -> Transcript:
    """What a whole log comes to."""
    return Transcript().add(events)


def same_call(name: str, arguments: Mapping[str, Any]) -> str:
    """What two calls have in common that ask for the same."""
    return f"{name} {canonical(arguments)}"


def _call(item: Mapping[str, Any]) -> Call:
    return Call(item["call"], item["id"], item["name"], item["input"])


def _result_block(call: Call, result: LogEvent | None) -> Block:
    if result is None:
        return {"type": "tool_result", "tool_use_id": call.id, "content": RUNNING}
    block = {"type": "tool_result", "tool_use_id": call.id, "content": _text_of(result.body)}
    return {**block, "is_error": True} if result.body["is_error"] else block


def _late_block(body: Mapping[str, Any]) -> Block:
    failed = "failed" if body["is_error"] else "ended"
    name, call_id = body.get("name", "a tool"), body.get("id", body["call"])
    return {
        "type": "text",
        "text": f"[The earlier call {call_id} of {name} has {failed}:]\n{_text_of(body)}",
    }


def _text_of(body: Mapping[str, Any]) -> str:
    return str(body["content"]) or NO_TEXT


def _message_blocks(body: Mapping[str, Any]) -> list[Block]:
    content = body.get("content")
    if not content:
        return [{"type": "text", "text": NO_TEXT}]
    if isinstance(content, str):
        return [{"type": "text", "text": content if content.strip() else NO_TEXT}]
    return list(content)


def _begins_turn(message: Message) -> bool:
    answers = any(block["type"] == "tool_result" for block in message.content)
    return message.role == "user" and not answers


def _stripped(message: Message) -> Message:
    content = tuple(b for b in message.content if b["type"] not in _THINKING)
    if len(content) == len(message.content):
        return message
    return replace(message, content=content or ({"type": "text", "text": NO_TEXT},))
