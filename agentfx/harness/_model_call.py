"""One model call of a step: on record before it is made, and what came of it afterwards."""

import asyncio
from typing import Any

from agentfx._clock import Clock
from agentfx.harness._log import StepLog, read_events
from agentfx.harness._model import Attempt, Model, ModelError, Reply, prices_of
from agentfx.harness._policy import Rules, cut_at, delay_after, tokens_of
from agentfx.harness._request import Request
from agentfx.harness._shown import Shown
from agentfx.harness._transcript import Transcript
from agentfx.harness._turn import turn_of
from agentfx.interpreters import ServiceError


class ModelCall:
    """A model call under way.

    Args:
        model: Asked once.
        log: Of the session.
        clock: The time.
        state: What the log comes to; the call's own event is added to it.
        rules: Of the session.
        upto: The last stimulus that the request shows.
    """

    def __init__(
        self,
        model: Model,
        log: StepLog,
        clock: Clock,
        state: Transcript,
        rules: Rules,
        upto: int,
    ) -> None:
        self._model, self._log, self._clock = model, log, clock
        self._state, self._rules, self._upto = state, rules, upto
        self._prices = prices_of(state.model)
        self._name = f"{log.nonce}/{state.head}"  # for the log's keys, and for the purse
        self._attempt = ""  # the number of its event, by which later events name it

    async def make(self) -> int | None:
        """Make it; where to cut the conversation, if it was too long for the model."""
        request = self._state.request(self._upto)
        if not await self._announce(request):
            return None
        attempt = Attempt()
        shown = Shown(self._log.ask, self._clock, self._log.session, self._attempt)
        attempt.show = shown.take
        try:
            async with shown:
                reply = await self._model.complete(request, attempt)
        except ModelError as error:
            if error.kind == "context_window" and (place := self._harder()) is not None:
                await self._book(attempt, "too long")
                return place
            await self._failed(error, attempt)
            return None
        except asyncio.CancelledError:
            await self._book(attempt, "aborted")
            raise
        return await self._commit(reply)

    async def _announce(self, request: Request) -> bool:
        """Put on record what is about to be sent; False without money for it."""
        state = self._state
        body = {
            "sent": self._upto, "request": request.digest, "model": state.model.get("name"),
            "blocks": state.blocks, "attempt": state.errors + 1,
        }  # fmt: skip
        event = {"kind": "model_call", "body": body, "key": f"call/{self._name}"}
        more = self._reservation(request)
        try:
            answer = await self._log.append([event], **more, after=state.head)
        except ServiceError as error:
            if error.code != "over_budget":
                raise
            await self._log.end("limit_reached", {"limit": f"cost: {error}"}, self._upto)
            return False
        state.add(await read_events(self._log.ask, answer["events"]))
        self._attempt = str(answer["seqs"][0])
        return True

    def _reservation(self, request: Request) -> dict[str, Any]:
        """The most that the call may cost, kept for it until it is booked."""
        if self._prices is None:
            return {}
        tokens = tokens_of(self._state.size + len(request.system))
        most = int(self._state.model.get("max_tokens", 0))
        amount = (tokens * self._prices.input + most * self._prices.output) / 1_000_000
        return {"reserve": {"attempt": self._name, "amount": amount}}

    async def _commit(self, reply: Reply) -> int | None:
        turn = turn_of(reply, self._state, self._upto, self._attempt, self._rules.limits)
        billed = Attempt(usage=reply.usage)
        if turn.cut:
            await self._book(billed, "too long")
            place = self._harder()
            if place is None:
                end = {"limit": "window: one turn fills it"}
                await self._log.end("limit_reached", end, self._upto)
            return place
        try:
            await self._log.finish(
                [*turn.events, self._usage_event(billed, None)], calls=turn.calls,
                book=self._cost(billed),
            )  # fmt: skip
        except ServiceError as error:
            if error.code == "fenced":
                await self._book(billed, "overtaken")
            raise
        return None

    async def _failed(self, error: ModelError, attempt: Attempt) -> None:
        tried = self._state.errors + 1
        key = f"{self._log.session}/{self._attempt}"
        delay = delay_after(error, tried, self._rules.retry, key)
        body = {
            "class": error.kind, "status": error.status, "message": str(error),
            "attempt": self._attempt, "tried": tried, "retry_after": error.retry_after,
            "retry_in": delay,
        }  # fmt: skip
        event: dict[str, Any] = {
            "kind": "model_error", "body": body, "key": f"error/{self._attempt}",
            "reacting_to": self._upto if delay is None else None,
        }  # fmt: skip
        more: dict[str, Any] = {} if delay is None else {"due_in_seconds": delay}
        await self._log.finish(
            [event, self._usage_event(attempt, "failed")], **more, book=self._cost(attempt)
        )

    async def _book(self, attempt: Attempt, why: str) -> None:
        """Put the usage of an unused call on record, whatever the epoch is by now."""
        event = self._usage_event(attempt, why)
        await self._log.append([event], fenced=False, book=self._cost(attempt))

    def _usage_event(self, attempt: Attempt, why: str | None) -> dict[str, Any]:
        """What is billed; `why` it came to nothing, None if it did not."""
        usage, prices = attempt.usage, self._prices
        body = {
            "attempt": self._attempt, "input": usage.input, "cache_write": usage.cache_write,
            "cache_read": usage.cache_read, "output": usage.output, "tokens": usage.total,
            "cost": None if prices is None else prices.of(usage), "used": why is None, "why": why,
            "model": self._state.model.get("name"),
        }  # fmt: skip
        return {"kind": "usage", "body": body, "key": f"usage/{self._attempt}"}

    def _cost(self, attempt: Attempt) -> dict[str, Any] | None:
        if self._prices is None:
            return None
        return {"attempt": self._name, "amount": self._prices.of(attempt.usage)}

    def _harder(self) -> int | None:
        return cut_at(self._state, self._rules.window, forced=True)
