"""Agents: a model, its tools and its rules, as a task that makes the steps of sessions."""

import sys
from collections.abc import Callable, Iterable, Mapping
from secrets import token_hex
from typing import Any, Never

from agentfx._clock import SystemClock
from agentfx.algebra import Published, Task, TaskContext
from agentfx.algebra._task import TaskOptions
from agentfx.harness._log import StepLog
from agentfx.harness._model import Model, prices_of
from agentfx.harness._policy import Limits, Retry, Rules, Window
from agentfx.harness._step import Step
from agentfx.harness._tool import AnyTool, as_tool, described
from agentfx.interpreters import asking
from agentfx.jobs import Results


class Agent(Task[..., str, Never]):
    """A model with tools, whose sessions survive whatever dies.

    It is a task, so it reaches workers as tasks do: workers import it, or get it as a bundle.
    A session keeps system prompt, tools and rules as they were when it was opened.

    Args:
        name: Such as `calc`.
        model: What answers.
        tools: Tasks, actions, functions of other workers, or `approved(tool)`.
        system: The system prompt.
        policy: `queue`: a message waits for the end of the turn under way; `preempt`: it
            overtakes it.
        results: A step waits for `all` results of a turn, or is made for `each`.
        limits: When a turn has to end.
        retry: How often a failed model call is tried again.
        window: How much of a conversation a request shows.
        budget: How much the model calls may cost, in the currency of the model's prices.
        purse: Sessions with the same one share the budget; by default each has its own.

    Raises:
        TypeError: The model is none, or a tool.
        ValueError: There is a budget, and the model has no prices; there is no such policy.
    """

    def __init__(
        self,
        name: str,
        *,
        model: Model,
        tools: Iterable[AnyTool] = (),
        system: str = "",
        policy: str = "queue",
        results: Results = "all",
        limits: Limits | None = None,
        retry: Retry | None = None,
        window: Window | None = None,
        budget: float | None = None,
        purse: str | None = None,
        module: str | None = None,
    ) -> None:
        _refuse_mistakes(name, model, tools, policy, results)
        self.name, self.model, self.system = name, model, system
        self.tools = tuple(tools)
        for tool in self.tools:
            as_tool(tool)  # refuses what is none
        self.policy, self.results, self.budget, self.purse = policy, results, budget, purse
        self.rules = Rules(retry or Retry(), limits or Limits(), window or Window())
        self.module = module or str(sys._getframe(1).f_globals["__name__"])
        if budget is not None and prices_of(model.settings()) is None:
            raise ValueError(f"agent {name} has a budget, but its model has no prices: give prices")
        step = _step_of(model)
        step.__module__, step.__qualname__, step.__name__ = self.module, name, name
        step.__doc__ = f"One step of a session of agent {name}."
        super().__init__(f"agents::{name}", step, TaskOptions(timeout_seconds=None))

    def by_value(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """See `Action.by_value`."""
        return remake_agent, (self._arguments(),)

    def _arguments(self) -> dict[str, Any]:
        rules = self.rules
        return {
            "name": self.name, "model": self.model, "tools": self.tools, "system": self.system,
            "policy": self.policy, "results": self.results, "limits": rules.limits,
            "retry": rules.retry, "window": rules.window, "budget": self.budget,
            "purse": self.purse, "module": self.module,
        }  # fmt: skip

    def body(self, published: Mapping[str, Published] | None = None) -> Mapping[str, Any]:
        """What the first event of a session says: all that its requests are made of.

        Args:
            published: What the workers of remote functions publish, by id.
        """
        return {
            "agent": self.name,
            "system": self.system,
            "tools": described(self.tools, published or {}),
            "model": dict(self.model.settings()),
            "rules": self.rules.body(),
            "budget": self.budget,
        }


def _refuse_mistakes(name: str, model: object, tools: object, policy: str, results: str) -> None:
    """What a type checker refuses, and a notebook does not."""
    if not callable(getattr(model, "complete", None)):
        raise TypeError(f"agent {name}: a model is such as ClaudeModel(NAME), not {model!r}")
    if not isinstance(tools, Iterable):
        raise TypeError(f"agent {name}: tools are a list, [{tools!r}]")
    if policy not in ("queue", "preempt"):
        raise ValueError(f"agent {name}: a policy is 'queue' or 'preempt', not {policy!r}")
    if results not in ("all", "each"):
        raise ValueError(f"agent {name}: a step waits for 'all' results or 'each', not {results!r}")


def remake_agent(arguments: dict[str, Any]) -> Agent:
    """An agent from its parts, where it was unpickled."""
    return Agent(**arguments)


def _step_of(model: Model) -> Callable[..., Any]:
    async def step(
        ctx: TaskContext,
        session: str,
        wake: str,
        epoch: int,
        news: dict[str, Any] | None = None,
    ) -> str:
        clock = SystemClock()
        log = StepLog(
            asking(), clock, worker=ctx.worker, session=session, wake=wake, epoch=epoch,
            delivery=ctx.delivery, nonce=token_hex(6),
        )  # fmt: skip
        return await Step(model, log, clock).run(news)

    return step
