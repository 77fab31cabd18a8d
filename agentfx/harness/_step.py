"""One step of a session: read the log, ask the model once, append what follows.

A step runs in a worker, as a job. It may die anywhere: everything it has done is in the log, and
the next step begins there. It may be overtaken at any time: its appends are refused then.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from agentfx._clock import Clock
from agentfx.harness._event import event_of
from agentfx.harness._model import Attempt, Model, ModelError, Prices, Reply, prices_of
from agentfx.harness._policy import (
    Rules,
    cut_at,
    delay_after,
    limit_reached,
    rules_of,
    tokens_of,
)
from agentfx.harness._request import Request
from agentfx.harness._shown import Shown
from agentfx.harness._transcript import Transcript
from agentfx.harness._turn import turn_of
from agentfx.interpreters import Ask, ServiceError

KEPT_TRANSCRIPTS = 256
MOST_CUTS = 3
_kept: OrderedDict[str, Transcript] = OrderedDict()
"""Transcripts of this worker's sessions: a step reads only what is new."""


class Step:
    """One step.

    Args:
        model: Asked once.
        ask: How the services are asked.
        clock: The time.
        worker: Label of the worker.
        session: Whose step it is.
        wake: The wake job; the services refuse what it appends once it is overtaken.
        epoch: Of the session when the job was queued.
        nonce: Tells this run of the wake job from another one of the same job.
    """

    def __init__(
        self,
        model: Model,
        ask: Ask,
        clock: Clock,
        *,
        worker: str,
        session: str,
        wake: str,
        epoch: int,
        nonce: str,
    ) -> None:
        self._nonce = nonce
        self._model, self._ask, self._clock = model, ask, clock
        self._worker, self._session, self._wake, self._epoch = worker, session, wake, epoch
        self._fence = {"epoch": epoch, "wake": wake}

    async def run(self, news: Mapping[str, Any] | None = None) -> str:
        """Make the step; what came of it, for people.

        Args:
            news: The end of the log as it was when the job was queued.
        """
        try:
            return await self._run(news)
        except ServiceError as error:
            if error.code == "fenced":
                return "overtaken"
            raise

    async def _run(self, news: Mapping[str, Any] | None) -> str:
        state = await self._read(news)
        upto = state.stimulus
        if state.epoch > self._epoch or upto <= state.reacted:
            return "nothing to do"
        rules = rules_of(state.agent)
        over = limit_reached(state, rules.limits, self._clock.wall())
        if over is not None:
            return await self._end("limit_reached", {"limit": over}, upto)
        state = await self._fit(state, rules)
        for _ in range(MOST_CUTS):
            cut = await self._attempt(state, rules, upto)
            if cut is None:
                return "turn"
            state = await self._cut(state, cut)
        return await self._end("limit_reached", {"limit": "window: it does not fit"}, upto)

    # The log

    async def _read(self, news: Mapping[str, Any] | None = None) -> Transcript:
        state = _kept.pop(self._session, None) or Transcript()
        if news is not None and _takes(state, news):
            rows = [row for row in news["events"] if row["seq"] > state.head]
            state.add(event_of(row) for row in await self._whole(rows))
        else:
            state = await self._read_on(state)
        _kept[self._session] = state
        while len(_kept) > KEPT_TRANSCRIPTS:
            _kept.popitem(last=False)
        return state

    async def _read_on(self, state: Transcript) -> Transcript:
        while True:
            message = {"session": self._session, "after": state.head}
            page = await self._ask("agentfx::session::read", message)
            if page["after_hash"] != state.hash:  # another store has a session of this name
                state = Transcript()
                continue
            state.add(event_of(row) for row in await self._whole(page["events"]))
            if state.head >= page["head"]:
                return state

    async def _whole(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows with the bodies that are kept beside the log."""
        return [await whole(self._ask, row) for row in rows]

    async def _append(self, events: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        message = {
            "session": self._session, "writer": self._worker, "events": events, **more,
        }  # fmt: skip
        answer: dict[str, Any] = await self._ask("agentfx::session::append", message)
        return answer

    async def _end(self, kind: str, body: Mapping[str, Any], upto: int) -> str:
        """End the turn with an event that says why."""
        event = {
            "kind": kind, "body": dict(body), "reacting_to": upto, "key": f"end/{self._nonce}",
        }  # fmt: skip
        await self._append([event], **self._fence, ends_wake=True)
        return kind

    # The window

    async def _fit(self, state: Transcript, rules: Rules) -> Transcript:
        place = cut_at(state, rules.window)
        return state if place is None else await self._cut(state, place)

    async def _cut(self, state: Transcript, place: int) -> Transcript:
        body = {"from": place, "size": state.size}
        await self._append(
            [{"kind": "cut", "body": body, "key": f"cut/{self._wake}/{place}"}], **self._fence
        )
        return await self._read()

    # The model

    async def _attempt(self, state: Transcript, rules: Rules, upto: int) -> int | None:
        """One model call and what follows; where to cut, if the request was too long."""
        request = state.request(upto)
        prices = prices_of(state.model)
        attempt = await self._announce(state, request, prices, upto)
        if attempt is None:
            return None
        call = Attempt()
        shown = Shown(self._ask, self._clock, self._session, attempt)
        call.show = shown.take
        try:
            async with shown:
                reply = await self._model.complete(request, call)
        except ModelError as error:
            if error.kind == "context_window" and (place := _harder(state, rules)) is not None:
                await self._book(attempt, call, prices, "too long")
                return place
            await self._failed(error, state, rules, upto, attempt, call, prices)
            return None
        except asyncio.CancelledError:
            await self._book(attempt, call, prices, "aborted")
            raise
        return await self._commit(reply, state, rules, upto, attempt, prices)

    async def _announce(
        self, state: Transcript, request: Request, prices: Prices | None, upto: int
    ) -> str | None:
        """Put on record what is about to be sent; the attempt's name, None without money."""
        body = {
            "sent": upto, "request": request.digest, "model": state.model.get("name"),
            "blocks": state.blocks, "attempt": state.errors + 1,
        }  # fmt: skip
        more: dict[str, Any] = {}
        if prices is not None:
            tokens = tokens_of(state.size + len(request.system))
            most = int(state.model.get("max_tokens", 0))
            amount = (tokens * prices.input + most * prices.output) / 1_000_000
            more["reserve"] = {"attempt": f"{self._nonce}/{state.head}", "amount": amount}
        event = {"kind": "model_call", "body": body, "key": f"call/{self._nonce}/{state.head}"}
        try:
            answer = await self._append([event], **self._fence, **more, after=state.head)
        except ServiceError as error:
            if error.code != "over_budget":
                raise
            await self._end("limit_reached", {"limit": f"cost: {error}"}, upto)
            return None
        self._money = f"{self._nonce}/{state.head}"
        state.add(event_of(row) for row in await self._whole(answer["events"]))
        return str(answer["seqs"][0])

    async def _commit(
        self,
        reply: Reply,
        state: Transcript,
        rules: Rules,
        upto: int,
        attempt: str,
        prices: Prices | None,
    ) -> int | None:
        turn = turn_of(reply, state, upto, attempt, rules.limits)
        usage = Attempt(usage=reply.usage)
        if turn.cut:
            await self._book(attempt, usage, prices, "too long")
            place = _harder(state, rules)
            if place is None:
                await self._end("limit_reached", {"limit": "window: one turn fills it"}, upto)
            return place
        try:
            event = _usage_event(attempt, usage, prices, state, why=None)
            await self._append(
                [*turn.events, event], **self._fence, calls=turn.calls, ends_wake=True,
                book=self._cost(usage, prices),
            )  # fmt: skip
        except ServiceError as error:
            if error.code == "fenced":
                await self._book(attempt, usage, prices, "overtaken")
            raise
        return None

    async def _failed(
        self,
        error: ModelError,
        state: Transcript,
        rules: Rules,
        upto: int,
        attempt: str,
        call: Attempt,
        prices: Prices | None,
    ) -> None:
        delay = delay_after(error, state.errors + 1, rules.retry, f"{self._session}/{attempt}")
        body = {
            "class": error.kind, "status": error.status, "message": str(error),
            "attempt": attempt, "tried": state.errors + 1, "retry_after": error.retry_after,
            "retry_in": delay,
        }  # fmt: skip
        event: dict[str, Any] = {
            "kind": "model_error", "body": body, "key": f"error/{attempt}",
            "reacting_to": upto if delay is None else None,
        }  # fmt: skip
        more = {} if delay is None else {"due_in_seconds": delay}
        usage = _usage_event(attempt, call, prices, state, why="failed")
        await self._append(
            [event, usage], **self._fence, **more, ends_wake=True,
            book=self._cost(call, prices),
        )  # fmt: skip

    async def _book(self, attempt: str, call: Attempt, prices: Prices | None, why: str) -> None:
        """Put the usage of an unused call on record, whatever the epoch is by now."""
        event = _usage_event(attempt, call, prices, None, why=why)
        await self._append([event], book=self._cost(call, prices))

    def _cost(self, call: Attempt, prices: Prices | None) -> dict[str, Any] | None:
        return None if prices is None else {"attempt": self._money, "amount": prices.of(call.usage)}


def _takes(state: Transcript, news: Mapping[str, Any]) -> bool:
    """Whether news begin where a transcript of the same log ends, or before."""
    if not news["after"] <= state.head <= news["head"]:
        return False
    hashes = {news["after"]: news["after_hash"], **{r["seq"]: r["hash"] for r in news["events"]}}
    return bool(hashes[state.head] == state.hash)


def _harder(state: Transcript, rules: Rules) -> int | None:
    return cut_at(state, rules.window, forced=True)


def _usage_event(
    attempt: str,
    call: Attempt,
    prices: Prices | None,
    state: Transcript | None,
    *,
    why: str | None,
) -> dict[str, Any]:
    usage = call.usage
    body = {
        "attempt": attempt, "input": usage.input, "cache_write": usage.cache_write,
        "cache_read": usage.cache_read, "output": usage.output, "tokens": usage.total,
        "cost": None if prices is None else prices.of(usage), "used": why is None, "why": why,
        "model": None if state is None else state.model.get("name"),
    }  # fmt: skip
    return {"kind": "usage", "body": body, "key": f"usage/{attempt}"}


async def whole(ask: Ask, row: dict[str, Any]) -> dict[str, Any]:
    """A row whose body is there, also if it lies beside the log."""
    import json

    body = row["body"]
    if isinstance(body, dict) and "$blob" in body:
        text = await ask("agentfx::session::blob", {"hash": body["$blob"]})
        return {**row, "body": json.loads(text)}
    return row
