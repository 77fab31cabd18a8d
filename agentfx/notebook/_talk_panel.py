"""The live panel of a conversation: a read model on one side, a widget on the other."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.harness import Session
from agentfx.notebook._approval import problems_of
from agentfx.notebook._errors import UserError
from agentfx.notebook._kit import Kit
from agentfx.notebook._talk import Talk
from agentfx_widgets import AgentPanel

TICK_SECONDS = 1 / 20
Action = Callable[[dict[str, Any]], Awaitable[str]]


class TalkPanel:
    """Shows an exchange while it goes on, and does what is clicked.

    Made and displayed by the cell; everything else happens on the cluster's thread.

    Args:
        kit: Of this kernel.
        session: What clicks are for.
        talk: What is shown.
        unwatched: Called when somebody wants to stop watching.
    """

    def __init__(
        self, kit: Kit, session: Session, talk: Talk, unwatched: Callable[[], None]
    ) -> None:
        self._kit, self._session, self._talk, self._unwatched = kit, session, talk, unwatched
        self._actions: dict[str, Action] = {
            "kill": self._kill,
            "spawn": self._spawn,
            "approve": self._approve,
            "reject": self._reject,
            "cancel": self._cancel,
            "unwatch": self._unwatch,
        }
        self.widget = AgentPanel(talk.snapshot(), self._heard)
        self.widget.prefer_subshell()
        self._sent: int = self.widget.state["version"]

    # Out

    async def keep_pushing(self) -> None:
        """Send what changed, some times a second, until it is cancelled."""
        while True:
            self.push()
            await self._kit.clock.sleep(TICK_SECONDS)

    def push(self) -> None:
        """Send what changed since the last time."""
        diff = self._talk.diff(self._sent)
        if diff is not None:
            self._sent = diff["to"]
            self.widget.push(diff)

    def finish(self) -> None:
        """Keep the last state where a late view and a saved notebook find it."""
        self.push()
        self.widget.finish(self._talk.snapshot())

    def close(self) -> None:
        """Take the widget away; the session goes on."""
        self.widget.close()

    # In

    def _heard(self, message: dict[str, Any]) -> None:
        # On whichever thread the kernel hears: it must not wait here.
        self._kit.cluster.submit(self._act(message))

    async def _act(self, message: dict[str, Any]) -> None:
        operation = message.get("op")
        if operation == "resync":
            self.widget.resync(self._talk.snapshot())
        elif operation == "check":
            call = str(message["call"])
            self.widget.problems(call, self._problems(call, message["arguments"]))
        elif operation in self._actions:
            await self._do(self._actions[operation], message)

    async def _do(self, action: Action, message: dict[str, Any]) -> None:
        try:
            text, ok = await action(message), True
        except AgentfxError as error:
            text, ok = str(error), False
        self.push()
        self.widget.answer(message.get("id"), text, ok=ok)

    async def _kill(self, message: dict[str, Any]) -> str:
        label = str(message["worker"])
        self._talk.killed(label, asked=True)
        await (await self._kit.own_cluster()).kill(label)
        self._talk.killed(label, asked=False)
        return f"killed {label}: what it ran starts elsewhere"

    async def _spawn(self, message: dict[str, Any]) -> str:
        cluster = await self._kit.own_cluster()
        label = await cluster.spawn(owned=False)
        await cluster.joined([label])
        return f"started {label}"

    def _problems(self, call: str, arguments: Mapping[str, Any]) -> dict[str, str]:
        tool = self._talk.tool(call)
        return {} if tool is None else problems_of(tool, arguments)

    async def _approve(self, message: dict[str, Any]) -> str:
        call, arguments = str(message["call"]), dict(message["arguments"])
        wrong = self._problems(call, arguments)
        if wrong:
            self.widget.problems(call, wrong)
            raise UserError("not approved: the schema does not allow these arguments")
        edited = None if arguments == dict(self._talk.arguments(call)) else arguments
        if not await self._session.approve(call, edited):
            return f"call {call} was decided before"
        return f"approved: call {call} runs" + (" with your arguments" if edited else "")

    async def _reject(self, message: dict[str, Any]) -> str:
        call = str(message["call"])
        done = await self._session.reject(call, str(message.get("reason", "")))
        return f"rejected: call {call} does not run" if done else f"call {call} was decided before"

    async def _cancel(self, message: dict[str, Any]) -> str:
        done = await self._session.cancel("cancelled in a notebook")
        return "cancelled" if done else "nothing goes on any more"

    async def _unwatch(self, message: dict[str, Any]) -> str:
        self._unwatched()
        return "stopped watching; the session goes on"
