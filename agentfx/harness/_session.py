"""Sessions, as a client sees them: send, watch, decide, fork."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from agentfx.harness._agent import Agent
from agentfx.harness._binding import AgentHost, SessionError, binding, described_by
from agentfx.harness._event import LogEvent
from agentfx.harness._log import read_events
from agentfx.harness._request import canonical
from agentfx.harness._status import Status, status_of
from agentfx.harness._tool import argument_problems, named
from agentfx.harness._transcript import Transcript, transcript_of
from agentfx.harness._turn import text_of
from agentfx.harness._view import table, text
from agentfx.interpreters import run_sync

if TYPE_CHECKING:
    import pandas as pd

WATCH_SECONDS = 5.0
_ENDS = ("refused", "limit_reached", "step_failed", "cancelled", "model_error")


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to see now: new events, or text of an answer that is not finished.

    Attributes:
        voided: Text shown before is no longer worth anything: drop it.
    """

    events: Sequence[LogEvent] = ()
    parts: Sequence[Mapping[str, Any]] = ()
    voided: bool = False


@dataclass(slots=True)
class _Cursor:
    after: int = 0
    attempt: str = ""
    delta: int = 0


@dataclass(slots=True)
class Session:
    """A conversation with an agent, kept by the engine.

    Attributes:
        id: By which it is opened again, from anywhere.
    """

    id: str
    _host: AgentHost = field(repr=False)
    _writer: str = field(default="client", repr=False)
    _events: list[LogEvent] = field(default_factory=list[LogEvent], repr=False)

    # Talking

    async def send(self, message: str, *, key: str | None = None) -> int:
        """Say something; returns the number of its event once it is durable.

        Args:
            message: What to say.
            key: Said once, however often this is called with it.
        """
        answer = await self._send(message, key)
        return int(answer["seqs"][0])

    async def _send(self, message: str, key: str | None = None, **more: Any) -> Any:
        event = {
            "kind": "user_message", "body": {"content": message}, "stimulus": True,
            "key": key or f"say/{token_hex(8)}",
        }  # fmt: skip
        return await self._ask("send", events=[event], writer=self._writer, **more)

    async def idle(self) -> str:
        """Wait until nothing goes on any more; the last answer's text.

        Calls that wait for an approval do not count: they wait for you.
        """
        return await self._idle(await self._ask("get", **self._waiting()))

    def _waiting(self) -> dict[str, Any]:
        """What asks the services to answer once nothing goes on, and with what is new then."""
        return {"wait_seconds": WATCH_SECONDS, "after": self._head}

    async def _idle(self, found: Mapping[str, Any]) -> str:
        while found["busy"]:
            found = await self._ask("get", **self._waiting())
        if not await self._take(found):
            await self.refresh()
        return self.answer

    async def ask(self, message: str) -> str:
        """Say something, and wait for the answer."""
        return await self._idle(await self._send(message, **self._waiting()))

    async def approve(self, call: str, arguments: Mapping[str, Any] | None = None) -> bool:
        """Let a held call run, maybe with other arguments; False if it is decided already.

        The call runs exactly these arguments; the model is told if they are not its own.

        Raises:
            SessionError: The arguments are not what the tool's schema allows.
        """
        body: dict[str, Any] = {"edited": arguments is not None, "arguments": arguments}
        if arguments is not None:
            await self._check_arguments(call, arguments)
            body["input"] = canonical(dict(arguments))
        return await self._decide(call, approve=True, **body)

    async def _check_arguments(self, call: str, arguments: Mapping[str, Any]) -> None:
        await self.refresh()
        held = [e for e in self._events if e.kind == "approval_requested"]
        name = next((e.body["name"] for e in held if e.body["call"] == call), None)
        tool = named(self.transcript.agent.get("tools", ()), str(name))
        if tool is None:
            raise SessionError(f"no call {call} of session {self.id} waits for an approval")
        if wrong := argument_problems(tool, arguments):
            raise SessionError(f"{name} does not take these arguments: {'; '.join(wrong)}")

    async def reject(self, call: str, reason: str = "") -> bool:
        """Do not let a held call run; the model reads why. False if it is decided already."""
        return await self._decide(call, approve=False, reason=reason)

    async def _decide(self, call: str, **body: Any) -> bool:
        answer = await self._ask("decide", call=call, writer=self._writer, **body)
        return bool(answer["decided"])

    async def cancel(self, reason: str = "") -> bool:
        """End what goes on now; every open call gets a result. False if nothing does."""
        answer = await self._ask("cancel", writer=self._writer, reason=reason)
        return bool(answer["cancelled"])

    async def fork(
        self,
        at: int,
        branch: str | None = None,
        *,
        edit: Mapping[str, Any] | None = None,
        agent: Agent | None = None,
    ) -> "Session":
        """A new session with the first events of this one, which stays as it is.

        Args:
            at: The last event that is kept.
            branch: Id of the new session.
            edit: Body of that event, instead of its own.
            agent: Goes on with it, instead of the agent it was opened with.
        """
        name = branch or f"{self.id}-{token_hex(3)}"
        if edit is not None:
            await self._check_edit(at)
        more: dict[str, Any] = {}
        if agent is not None:
            settings = dict(await described_by(self._host, agent))
            more = {"settings": settings, **binding(self._host, agent)}
        await self._ask("fork", branch=name, at=at, writer=self._writer, edit=edit, **more)
        return Session(name, self._host, self._writer)

    async def _check_edit(self, at: int) -> None:
        await self.refresh()
        kinds = {event.seq: event.kind for event in self._events}
        if kinds.get(at) not in ("user_message", "tool_result", "assistant"):
            raise SessionError(
                f"event {at} is {kinds.get(at)}: only a message, a result or an answer can be "
                "edited"
            )

    # Reading

    async def status(self, *, wait_seconds: float = 0.0) -> Status:
        """How it stands; waits so long for it to be idle."""
        return status_of(await self._ask("get", wait_seconds=wait_seconds))

    async def refresh(self) -> list[LogEvent]:
        """Read what is new in the log; all of it."""
        while not await self._take(await self._ask("read", after=self._head)):
            pass
        return list(self._events)

    @property
    def _head(self) -> int:
        return len(self._events)

    async def _take(self, page: Mapping[str, Any]) -> bool:
        """Take in what is new; whether that is all there is."""
        events = await self._events_of(page)
        known = self._head  # somebody else may have read on meanwhile
        self._events += [event for event in events if event.seq > known]
        return not events or self._head >= page["head"]

    async def _events_of(self, page: Mapping[str, Any]) -> list[LogEvent]:
        async def ask(name: str, data: Any) -> Any:
            return await self._host.request(name.removeprefix("agentfx::"), data)

        return await read_events(ask, page["events"])

    @property
    def events(self) -> list[LogEvent]:
        """The log as far as it was read."""
        return list(self._events)

    @property
    def transcript(self) -> Transcript:
        """What the log comes to, as far as it was read."""
        return transcript_of(self._events)

    @property
    def answer(self) -> str:
        """Text of the last answer, as far as the log was read; or why there is none."""
        for event in reversed(self._events):
            if event.kind == "assistant":
                return text_of(event.body["content"])
            if event.kind in _ENDS and event.reacting_to is not None:
                return f"[{event.kind}: {text(event)}]"
        return ""

    def log(self) -> "pd.DataFrame":
        """The log as a table: one row an event, with its cost."""
        events = run_sync(self.refresh)
        return table(events)

    async def watch(self, after: int = 0) -> AsyncIterator[Seen]:
        """What happens, for ever: events after a number, and text while it is being said.

        An event comes once, however often the link is lost; text is only for the eye, and is
        void when `voided` says so, or when its answer's event has come.
        """
        cursor = _Cursor(after)
        while True:
            page = await self._ask(
                "watch", after=cursor.after, attempt=cursor.attempt, delta=cursor.delta,
                wait_seconds=WATCH_SECONDS,
            )  # fmt: skip
            voided = page["attempt"] != cursor.attempt
            if voided:
                cursor.attempt, cursor.delta = page["attempt"], 0
            cursor.delta += len(page["parts"])
            events = await self._events_of(page)
            if events:
                cursor.after = events[-1].seq
            if events or page["parts"] or voided:
                yield Seen(events, page["parts"], voided)

    async def _ask(self, name: str, **data: Any) -> Any:
        return await self._host.request(f"session::{name}", {"session": self.id, **data})
