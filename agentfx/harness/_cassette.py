"""Cassettes: answers cut from a real log, played back strictly."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.harness._event import LogEvent, answers_in
from agentfx.harness._model import Attempt, ModelError, Reply, Usage
from agentfx.harness._request import Request, lines
from agentfx.harness._transcript import Transcript

VERSION = 1


class CassetteError(AgentfxError):
    """A cassette cannot be read, or was not played to its end."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model call: what was asked, as lines, and what came.

    Attributes:
        asked: The lines of the request that those before do not have.
        shared: How many lines of the entry before come first.
    """

    shared: int
    asked: tuple[str, ...]
    content: tuple[Mapping[str, Any], ...]
    stop_reason: str
    usage: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Cassette:
    """Model calls of a session, in order."""

    entries: tuple[Entry, ...]
    model: str = "cassette"

    @classmethod
    def cut(cls, events: Sequence[LogEvent], first: int = 1, last: int | None = None) -> "Cassette":
        """The model calls of a log, or of a range of it.

        Args:
            events: A whole log.
            first: Number of the first event of the range.
            last: Number of the last one.
        """
        state = Transcript()
        entries: list[Entry] = []
        asked: list[str] = []
        before: list[str] = []
        usages = {str(e.body["attempt"]): e.body for e in events if e.kind == "usage"}
        for event in events:
            if event.kind == "model_call":
                asked = lines(state.request(event.body["sent"]))
            if event.kind == "assistant" and first <= event.seq <= (last or event.seq):
                usage = usages.get(str(event.body["attempt"]), {})
                entries.append(_entry(before, asked, event, usage))
                before = asked
            state.add([event])
        return cls(tuple(entries), str(state.model.get("name", "cassette")))

    def requests(self) -> list[list[str]]:
        """The lines of every request."""
        found: list[list[str]] = []
        for entry in self.entries:
            before = found[-1][: entry.shared] if found else []
            found.append([*before, *entry.asked])
        return found

    def save(self, path: str | Path) -> None:
        """Write it as JSON, for people to read and for version control."""
        entries = [
            {
                "shared": e.shared, "asked": list(e.asked), "content": list(e.content),
                "stop_reason": e.stop_reason, "usage": dict(e.usage),
            }
            for e in self.entries
        ]  # fmt: skip
        body = {"cassette": VERSION, "model": self.model, "entries": entries}
        Path(path).write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Cassette":
        """Read one.

        Raises:
            CassetteError: It is none, or of another version.
        """
        try:
            body = json.loads(Path(path).read_text())
            if body["cassette"] != VERSION:
                raise CassetteError(f"{path} is a cassette of version {body['cassette']}")
            entries = tuple(
                Entry(
                    e["shared"], tuple(e["asked"]), tuple(e["content"]), e["stop_reason"],
                    e["usage"],
                )
                for e in body["entries"]
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CassetteError(f"{path} is no cassette: {error}") from None
        return cls(entries, body["model"])


@dataclass(frozen=True)
class CassetteModel:
    """Plays a cassette: a request that was not recorded is refused, and says where it differs."""

    cassette: Cassette

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        return {"name": self.cassette.model, "cassette": True, "max_tokens": 0}

    async def complete(self, request: Request, attempt: Attempt) -> Reply:
        """See `Model.complete`."""
        entry = self._entry_for(request)
        for block in entry.content:
            if block["type"] == "text":
                attempt.show({"type": "text", "text": block["text"]})
        return Reply(entry.content, entry.stop_reason, Usage(**entry.usage))

    def _entry_for(self, request: Request) -> Entry:
        asked, recorded = lines(request), self.cassette.requests()
        for entry, known in zip(self.cassette.entries, recorded, strict=True):
            if known == asked:
                return entry
        number = sum(message.role == "assistant" for message in request.messages)
        if number >= len(recorded):
            count = len(recorded)
            raise ModelError("script", f"the cassette has {count} answers, and one more was asked")
        difference = first_difference(recorded[number], asked)
        raise ModelError("script", f"request {number + 1} differs: {difference}")

    def assert_complete(self, answered: int | Sequence[LogEvent]) -> None:
        """Check that the cassette was played to its end.

        Args:
            answered: The log of the session, or how many answers it has.

        Raises:
            CassetteError: It was not.
        """
        count = answers_in(answered)
        if count != len(self.cassette.entries):
            raise CassetteError(f"{count} of {len(self.cassette.entries)} answers were played")


def first_difference(expected: Sequence[str], found: Sequence[str]) -> str | None:
    """Where two requests differ first, None if they do not."""
    for number, (one, other) in enumerate(zip(expected, found, strict=False)):
        if one != other:
            return f"{_place(number)}\n  recorded: {one}\n  now:      {other}"
    if len(expected) == len(found):
        return None
    more, what = (expected, "is missing") if len(expected) > len(found) else (found, "is new")
    number = min(len(expected), len(found))
    return f"{_place(number)} {what}\n  {more[number]}"


def _place(number: int) -> str:
    return ("system prompt", "tools")[number] if number < 2 else f"block {number - 1}"


def _entry(
    before: Sequence[str], asked: Sequence[str], event: LogEvent, usage: Mapping[str, Any]
) -> Entry:
    shared = 0
    while shared < min(len(before), len(asked)) and before[shared] == asked[shared]:
        shared += 1
    counts = {name: int(usage.get(name, 0)) for name in Usage.__dataclass_fields__}
    return Entry(
        shared, tuple(asked[shared:]), tuple(event.body["content"]), event.body["stop_reason"],
        counts,
    )  # fmt: skip
