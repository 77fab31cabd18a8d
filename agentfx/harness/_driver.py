"""The loop in the driver: an agent as an ordinary program, for a question and its answer.

Each model call is a journaled step and each tool call a durable job, as for any program. There is
no log beside it, no message that comes meanwhile, and nobody goes on when the driver is gone; for
all that, open a session.
"""

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

from agentfx.algebra import (
    Capability,
    ContractViolation,
    Do,
    Effect,
    Err,
    Exit,
    Failure,
    Given,
    Ok,
    RemoteFunction,
    TaskCall,
    TaskError,
    do,
    fail,
    for_each,
)
from agentfx.harness._agent import Agent
from agentfx.harness._event import LogEvent
from agentfx.harness._model import Attempt, ModelError, Reply, Usage
from agentfx.harness._policy import limit_reached
from agentfx.harness._request import Request
from agentfx.harness._tool import as_tool
from agentfx.harness._transcript import Transcript
from agentfx.harness._turn import text_of, turn_of

Always: TypeAlias = ContractViolation | TaskError


class ModelFailed(Failure):
    """A model call came to nothing, or a limit was reached."""

    kind: str
    message: str


class Thinks(Capability):
    """Asks a model."""

    @abstractmethod
    async def think(self, request: Request) -> dict[str, Any]:
        """One answer: content, stop reason and usage, as JSON."""
        ...


class _Model(Thinks):
    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def think(self, request: Request) -> dict[str, Any]:
        try:
            reply = await self._agent.model.complete(request, Attempt())
        except ModelError as error:
            raise ModelFailed(kind=error.kind, message=str(error)) from None
        return {
            "content": [dict(block) for block in reply.content], "stop": reply.stop_reason,
            "usage": reply.usage.total, "bad": sorted(reply.bad_arguments),
        }  # fmt: skip


def thinking(agent: Agent) -> Given[Thinks]:
    """The agent's model, for `converse`."""
    return Thinks.of(_Model(agent))


async def _ask(request: Request, model: Thinks) -> dict[str, Any]:
    return await model.think(request)


@do
def converse(agent: Agent, question: str) -> Do[str, ModelFailed | Always, Thinks]:
    """Ask an agent; its answer."""
    log = _Log(agent)
    log.add("user_message", {"content": question}, stimulus=True)
    while True:
        over = limit_reached(log.state, agent.rules.limits, 0.0)
        if over is not None:
            yield from fail(ModelFailed(kind="limit", message=over))
        request = log.state.request(log.state.stimulus)
        answered = yield from Thinks.use(
            partial(_ask, request), raises=ModelFailed, returns=dict[str, Any]
        ).named("model")
        if not (yield from _act(agent, log, answered)):
            return text_of(answered["content"])


@do
def _act(agent: Agent, log: "_Log", answered: Mapping[str, Any]) -> Do[bool, Always]:
    """Take an answer in, and run its calls; whether there is something to react to."""
    upto = log.state.stimulus
    attempt = str(log.add("model_call", {"sent": upto}).seq)
    reply = Reply(tuple(answered["content"]), answered["stop"], Usage(), frozenset(answered["bad"]))
    turn = turn_of(reply, log.state, upto, attempt, agent.rules.limits)
    for event in turn.events:
        log.add(
            event["kind"], event["body"], stimulus=event.get("stimulus", False),
            reacting_to=event.get("reacting_to"),
        )  # fmt: skip
    exits = yield from for_each(turn.calls, lambda call: _call(agent, call).either())
    for call, exit_ in zip(turn.calls, exits, strict=True):
        log.result(call, exit_)
    return log.state.stimulus > upto


def _call(agent: Agent, call: Mapping[str, Any]) -> Effect[Any, Failure]:
    functions = [as_tool(tool).function for tool in agent.tools]
    function = next(f for f in functions if f.id == call["task"])
    arguments = dict(call["request"]["input"])
    if isinstance(function, RemoteFunction):
        return function(**arguments)
    return TaskCall(function, (), arguments)


class _Log:
    """Events in memory, as a session would have them."""

    def __init__(self, agent: Agent) -> None:
        self.state = Transcript()
        self.add("session_started", agent.body())

    def add(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        stimulus: bool = False,
        reacting_to: int | None = None,
    ) -> LogEvent:
        event = LogEvent(self.state.head + 1, 0.0, "driver", 1, kind, body, stimulus, reacting_to)
        self.state.add([event])
        return event

    def result(self, call: Mapping[str, Any], exit_: Exit[Any, Any]) -> None:
        match exit_:
            case Ok(value=value):
                content, is_error = str(value), False
            case Err(error=error):
                content, is_error = f"{type(error).__name__}: {error}", True
        named = {name: call["request"][name] for name in ("id", "name", "input")}
        body = {**named, "call": call["call"], "content": content, "is_error": is_error}
        self.add("tool_result", body, stimulus=True)
