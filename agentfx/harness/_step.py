"""One step of a session: read the log, ask the model once, append what follows.

A step runs in a worker, as a job. It may die anywhere: everything it has done is in the log, and
the next step begins there. It may be overtaken at any time: its appends are refused then.
"""

from collections.abc import Mapping
from typing import Any

from agentfx._clock import Clock
from agentfx.harness._log import StepLog
from agentfx.harness._model import Model
from agentfx.harness._model_call import ModelCall
from agentfx.harness._policy import cut_at, limit_reached, rules_of
from agentfx.harness._transcript import Transcript
from agentfx.interpreters import ServiceError

MOST_CUTS = 3


class Step:
    """One step.

    Args:
        model: Asked once; again only for a request that was too long.
        log: Of the session.
        clock: The time.
    """

    def __init__(self, model: Model, log: StepLog, clock: Clock) -> None:
        self._model, self._log, self._clock = model, log, clock

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
        state = await self._log.read(news)
        upto = state.stimulus
        if upto <= state.reacted:
            return "nothing to do"
        rules = rules_of(state.agent)
        over = limit_reached(state, rules.limits, self._clock.wall())
        if over is not None:
            return await self._log.end("limit_reached", {"limit": over}, upto)
        if (place := cut_at(state, rules.window)) is not None:
            state = await self._cut(state, place)
        for _ in range(MOST_CUTS):
            call = ModelCall(self._model, self._log, self._clock, state, rules, upto)
            if (place := await call.make()) is None:
                return "turn"
            state = await self._cut(state, place)
        return await self._log.end("limit_reached", {"limit": "window: it does not fit"}, upto)

    async def _cut(self, state: Transcript, place: int) -> Transcript:
        body = {"from": place, "size": state.size}
        key = f"cut/{self._log.wake}/{place}"
        await self._log.append([{"kind": "cut", "body": body, "key": key}])
        return await self._log.read()
