"""The log of a session, as one of its steps reads it and appends to it."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentfx._clock import Clock
from agentfx.harness._event import LogEvent, event_of
from agentfx.harness._transcript import Transcript
from agentfx.interpreters import Ask, outcome_recorded

KEPT_TRANSCRIPTS = 256
_kept: OrderedDict[str, Transcript] = OrderedDict()
"""Transcripts of this worker's sessions: a step reads only what is new."""


async def read_events(ask: Ask, rows: Iterable[Mapping[str, Any]]) -> list[LogEvent]:
    """Events as the services send them, with the bodies that are kept beside the log.

    Args:
        ask: How the services are asked.
        rows: As JSON, in order.
    """
    return [event_of({**row, "body": await _whole(ask, row["body"])}) for row in rows]


async def _whole(ask: Ask, body: Any) -> Any:
    if isinstance(body, dict) and "$blob" in body:
        return json.loads(await ask("agentfx::session::blob", {"hash": body["$blob"]}))
    return body  # pyright: ignore[reportUnknownVariableType]


class StepLog:
    """A session's log in the hands of one step.

    Args:
        ask: How the services are asked.
        clock: The time.
        worker: Label of the worker.
        session: Whose step it is.
        wake: The wake job; the services refuse what it appends once it is overtaken.
        epoch: Of the session when the job was queued.
        delivery: Which start of the wake job this is.
        nonce: Tells this run of the wake job from another one of the same job.
    """

    def __init__(
        self,
        ask: Ask,
        clock: Clock,
        *,
        worker: str,
        session: str,
        wake: str,
        epoch: int,
        delivery: int,
        nonce: str,
    ) -> None:
        self.ask, self.session, self.wake, self.nonce = ask, session, wake, nonce
        self._clock, self._begun = clock, clock.monotonic()
        self._worker, self._epoch, self._delivery = worker, epoch, delivery

    async def read(self, news: Mapping[str, Any] | None = None) -> Transcript:
        """What the log comes to now.

        Args:
            news: The end of the log as it was when the job was queued; saves asking for it.
        """
        state = _kept.pop(self.session, None) or Transcript()
        if news is not None and _takes(state, news):
            rows = [row for row in news["events"] if row["seq"] > state.head]
            state.add(await read_events(self.ask, rows))
        else:
            state = await self._read_on(state)
        _kept[self.session] = state
        while len(_kept) > KEPT_TRANSCRIPTS:
            _kept.popitem(last=False)
        return state

    async def _read_on(self, state: Transcript) -> Transcript:
        while True:
            message = {"session": self.session, "after": state.head}
            page = await self.ask("agentfx::session::read", message)
            if page["after_hash"] != state.hash:  # another store has a session of this name
                state = Transcript()
                continue
            state.add(await read_events(self.ask, page["events"]))
            if state.head >= page["head"]:
                return state

    async def append(
        self, events: Sequence[Mapping[str, Any]], *, fenced: bool = True, **more: Any
    ) -> dict[str, Any]:
        """Append events; what the services answer.

        Args:
            events: In order; one whose key is there already is not appended again.
            fenced: Refuse them once this step is overtaken.
            more: What else happens in the same transaction.

        Raises:
            ServiceError: `fenced`: it is overtaken; `over_budget`.
        """
        message = {
            "session": self.session, "writer": self._worker, "events": list(events), **more,
        }  # fmt: skip
        if fenced:
            message |= {"epoch": self._epoch, "wake": self.wake}
        answer: dict[str, Any] = await self.ask("agentfx::session::append", message)
        return answer

    async def finish(self, events: Sequence[Mapping[str, Any]], **more: Any) -> None:
        """Append the last events of the step: its wake job is done in the same transaction.

        Raises:
            ServiceError: See `append`.
        """
        ms = round((self._clock.monotonic() - self._begun) * 1000, 3)
        await self.append(events, **more, ends_wake={"delivery": self._delivery, "ms": ms})
        if (recorded := outcome_recorded.get()) is not None:
            recorded()

    async def end(self, kind: str, body: Mapping[str, Any], upto: int) -> str:
        """End the turn with an event that says why; its kind."""
        event = {
            "kind": kind, "body": dict(body), "reacting_to": upto, "key": f"end/{self.nonce}",
        }  # fmt: skip
        await self.finish([event])
        return kind


def _takes(state: Transcript, news: Mapping[str, Any]) -> bool:
    """Whether news begin where a transcript of the same log ends, or before."""
    if not news["after"] <= state.head <= news["head"]:
        return False
    hashes = {news["after"]: news["after_hash"], **{r["seq"]: r["hash"] for r in news["events"]}}
    return bool(hashes[state.head] == state.hash)
