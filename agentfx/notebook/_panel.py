"""The live panel of a run: a view on one side, a widget on the other."""

from collections.abc import Awaitable, Callable
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.cluster import Engine
from agentfx.notebook._kit import Kit
from agentfx.notebook._replay import More, Replay
from agentfx.notebook._tables import Snapshot
from agentfx.notebook._view import View
from agentfx.notebook._watch import Pace, look_around
from agentfx_widgets import Panel

TICK_SECONDS = 1 / 15
BEAT_SECONDS = 2.0
"""So often something comes from a kernel that lives; who hears nothing says so."""
MOST_VIEWERS = 8
"""Tabs that look at the past at the same time."""
Action = Callable[[dict[str, Any]], Awaitable[str]]


class RunPanel:
    """Shows a run while it goes on, and does what is clicked.

    Made and displayed by the cell; everything else happens on the cluster's thread.

    Args:
        kit: Of this kernel.
        view: Of the run.
        more: Where its events come from, for looks at the past.
        engine: Where it runs, None for a run in memory.
        unwatched: Called when somebody wants to stop watching.
    """

    def __init__(
        self,
        kit: Kit,
        view: View,
        more: More,
        engine: Engine | None,
        unwatched: Callable[[], None],
    ) -> None:
        self._kit, self._view, self._more, self._engine = kit, view, more, engine
        self._unwatched = unwatched
        self._sent = 0
        self._pushed_at = 0.0
        self._replays: dict[str, Replay] = {}
        self._actions: dict[str, Action] = {
            "kill": self._kill,
            "stop": self._stop,
            "spawn": self._spawn,
            "redrive": self._redrive,
            "discard": self._discard,
            "cancel": self._cancel,
            "unwatch": self._unwatch,
        }
        self.widget = Panel(self._snapshot(), self._heard)
        self.widget.prefer_subshell()
        self._sent = self.widget.state["version"]

    def _snapshot(self) -> Snapshot:
        return {**self._view.snapshot(), "now": self._now()}

    def _now(self) -> float:
        return round(self._view.seconds(self._kit.clock.wall()), 3)

    # Out

    async def keep_pushing(self, seconds: float = TICK_SECONDS) -> None:
        """Send what changed, and now and then a word without news, until it is cancelled.

        Args:
            seconds: Between two looks at the view; whoever knows when it has something new
                pushes that at once.
        """
        clock = self._kit.clock
        pace = Pace(clock, seconds)
        self._view.note(live=True)
        while True:
            pace.begin()
            self.push()
            if clock.monotonic() - self._pushed_at > BEAT_SECONDS:
                self._push({"from": self._sent, "to": self._sent, "set": {}, "drop": {}})
            await pace.rest()

    def push(self) -> None:
        """Send what changed since the last time."""
        diff = self._view.diff(self._sent)
        if diff is not None:
            self._sent = diff["to"]
            self._push({**diff})

    def _push(self, diff: dict[str, Any]) -> None:
        self._pushed_at = self._kit.clock.monotonic()
        self.widget.push({**diff, "now": self._now()})

    def close(self) -> None:
        """Take the widget away; the run goes on."""
        self.widget.close()

    def finish(self) -> None:
        """Keep the last state where a late view and a saved notebook find it."""
        self._view.note(live=None)
        self.push()
        self.widget.finish(self._snapshot())

    # In

    def _heard(self, message: dict[str, Any]) -> None:
        # On whichever thread the kernel hears: it must not wait here.
        self._kit.cluster.submit(self._act(message))

    async def _act(self, message: dict[str, Any]) -> None:
        operation = message.get("op")
        if operation == "resync":
            self.widget.resync(self._snapshot())
        elif operation == "open":
            self._view.open(str(message["path"]), int(message["page"]))
            self.push()
        elif operation == "close":
            self._view.close(str(message["path"]))
            self.push()
        elif operation == "at":
            await self._look(str(message.get("viewer")), float(message["at"]))
        elif operation == "live":
            self._replays.pop(str(message.get("viewer")), None)
        elif operation in self._actions:
            await self._do(self._actions[operation], message)

    async def _look(self, viewer: str, at: float) -> None:
        """Send a moment of the past to whoever asks for it."""
        replay = self._replays.get(viewer)
        if replay is None:
            while len(self._replays) >= MOST_VIEWERS:
                self._replays.pop(next(iter(self._replays)))
            replay = self._replays[viewer] = Replay(self._view, self._more)
        try:
            diff = await replay.at(at)
        except AgentfxError as error:
            self.widget.answer(None, f"the past cannot be shown: {error}", ok=False)
        else:
            self.widget.past(viewer, at, diff)

    async def _do(self, action: Action, message: dict[str, Any]) -> None:
        try:
            text, ok = await action(message), True
        except AgentfxError as error:
            text, ok = str(error), False
        self.push()
        self.widget.answer(message.get("id"), text, ok=ok)
        if self._engine is not None:
            await look_around(self._engine, self._view)
            self.push()

    async def _kill(self, message: dict[str, Any]) -> str:
        label = str(message["worker"])
        self._view.kill_asked(label)
        await (await self._kit.own_cluster()).kill(label)
        self._view.killed(label)
        return f"killed {label}: what it ran starts elsewhere"

    async def _stop(self, message: dict[str, Any]) -> str:
        label = str(message["worker"])
        await (await self._kit.own_cluster()).stop(label)
        return f"{label} finished what it ran, and ended"

    async def _spawn(self, message: dict[str, Any]) -> str:
        cluster = await self._kit.own_cluster()
        label = await cluster.spawn(owned=False)
        await cluster.joined([label])
        return f"started {label}"

    async def _redrive(self, message: dict[str, Any]) -> str:
        answer = await self._kit.redrive(str(message["job"]))
        if answer["reopened"]:
            return f"queued again; its run is open again: %resume {answer['run']}"
        return "queued again"

    async def _discard(self, message: dict[str, Any]) -> str:
        await self._kit.request("dead::discard", {"job": str(message["job"])})
        return "discarded for good; its failure stays on record"

    async def _cancel(self, message: dict[str, Any]) -> str:
        answer = await self._kit.request("run::cancel", {"run": self._view.run})
        if not answer["cancelled"]:
            return f"the run has ended already: {answer['status']}"
        running = answer["running"]
        still = f"; {running} still run and were asked to stop" if running else ""
        return f"cancelled: {answer['dropped']} jobs dropped{still}"

    async def _unwatch(self, message: dict[str, Any]) -> str:
        self._unwatched()
        return f"the run goes on: %resume {self._view.run}"
