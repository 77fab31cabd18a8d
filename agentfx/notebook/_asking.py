"""Talking to an agent from a cell, with a panel that shows what happens meanwhile."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agentfx.harness import LogEvent, Session, attach
from agentfx.interpreters import BackendError
from agentfx.notebook._clicks import click_notice
from agentfx.notebook._kit import Kit
from agentfx.notebook._loop import WAKE_SECONDS, awaited
from agentfx.notebook._screen import NoScreen, Screen
from agentfx.notebook._sessions import WRITER, KernelHost
from agentfx.notebook._talk import Talk
from agentfx.notebook._talk_panel import TalkPanel
from agentfx.notebook._talk_text import lines_of

IDLE_SECONDS = 5.0
LOOK_SECONDS = 0.5
WRITE_SECONDS = 0.5
JOB_WAIT_SECONDS = 5.0
_cursors: dict[tuple[str, str], int] = {}
"""How far the job events of each session were read, by engine and session."""


@dataclass(slots=True)
class Asked:
    """An exchange that a cell watches.

    Attributes:
        answer: Done when nothing goes on any more, and the panel shows it.
        left: Done when somebody pressed "Stop watching".
    """

    session: Session
    talk: Talk
    panel: TalkPanel
    answer: "Future[str]" = field(default_factory=Future[str])
    left: "Future[None]" = field(default_factory=Future[None])


class Asker:
    """Shows exchanges with agents in cells.

    Args:
        kit: Of this kernel.
        screen: Where panels go.
    """

    def __init__(self, kit: Kit, screen: Screen) -> None:
        self._kit, self._screen = kit, screen
        self._live = not isinstance(screen, NoScreen)

    async def begin(self, session: str, message: str | None, mode: str = "awaited") -> Asked:
        """Say something and show what follows; awaited on the loop of the cell.

        Args:
            session: Its id.
            message: What to say; None to watch what goes on.
            mode: How the cell waits: `awaited`, `blocking` or `detached`.
        """
        opened = await awaited(self._kit.cluster.submit(self._open(session, message)))
        return self._show(*opened, mode)

    def begin_blocking(self, session: str, message: str | None, mode: str = "blocking") -> Asked:
        """See `begin`; for a cell that cannot await."""
        return self._show(*self._kit.call(self._open(session, message)), mode)

    async def _open(
        self, session: str, message: str | None
    ) -> tuple[Session, Talk, list[LogEvent]]:
        await self._kit.engine_with_workers(None)
        found = await attach(session, backend=KernelHost(self._kit), writer=WRITER)
        before = await found.refresh()
        if message is None:
            first = next((e.seq for e in reversed(before) if e.kind == "user_message"), 1)
        else:
            first = await found.send(message)
        talk = Talk(session, first)
        talk.apply(before)
        return found, talk, before

    def _show(self, session: Session, talk: Talk, before: list[LogEvent], mode: str) -> Asked:
        talk.note(state="running", watched=(mode != "detached") or None, notice=click_notice(mode))
        left: Future[None] = Future()
        panel = TalkPanel(self._kit, session, talk, lambda: _set(left))
        asked = Asked(session, talk, panel, left=left)
        self._screen.show(panel.widget, talk.snapshot())
        since = next((e.at for e in before if e.seq == talk.first), 0.0)
        self._kit.cluster.submit(self._watch(asked, since))
        return asked

    async def _watch(self, asked: Asked, since: float) -> None:
        """Bring the panel up to date until nothing goes on any more."""
        changed = asyncio.Event()
        work: list[Coroutine[Any, Any, None]] = [
            self._follow(asked, changed), self._follow_jobs(asked, since), self._look(asked),
            asked.panel.keep_pushing(), self._keep_writing(asked),
        ]  # fmt: skip
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            await self._until_idle(asked, changed)
            await self._rest(asked)
        except Exception as error:
            asked.talk.note(notice=str(error))
            asked.answer.set_exception(error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # none of them asks the engine after this
            for failure in filter(None, (t.exception() for t in tasks if not t.cancelled())):
                asked.talk.note(notice=f"the panel did not see everything: {failure}")
            asked.talk.note(watched=None)
            asked.panel.finish()
            self._screen.update(asked.panel.widget, asked.talk.snapshot())
        if not asked.answer.done():
            asked.answer.set_result(asked.session.answer)

    async def _until_idle(self, asked: Asked, changed: asyncio.Event) -> None:
        while True:
            status = await asked.session.status()
            asked.talk.stand(status)
            if status.busy:
                await asked.session.status(wait_seconds=IDLE_SECONDS)
                continue
            if not (status.held and self._live):
                return
            changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await changed.wait()

    async def _rest(self, asked: Asked) -> None:
        """What the watchers have not brought yet."""
        events = await asked.session.refresh()
        self._take(asked, [event for event in events if event.seq > asked.talk.head])
        with suppress(BackendError):
            await self._more_jobs(asked, 0.0)

    def _take(self, asked: Asked, events: list[LogEvent]) -> None:
        asked.talk.apply(events)
        if not self._live:
            for line in lines_of(events):
                self._screen.say(line)

    async def _follow(self, asked: Asked, changed: asyncio.Event) -> None:
        async for seen in asked.session.watch(asked.talk.head):
            fresh = [event for event in seen.events if event.seq > asked.talk.head]
            self._take(asked, fresh)
            asked.talk.say(seen.parts, voided=seen.voided)
            changed.set()

    async def _follow_jobs(self, asked: Asked, since: float) -> None:
        asked.talk.since(since)
        while True:
            await self._more_jobs(asked, JOB_WAIT_SECONDS)

    async def _more_jobs(self, asked: Asked, wait_seconds: float) -> None:
        engine = KernelHost(self._kit).engine
        key = (engine.url, asked.session.id)
        rows = await engine.events(f"session/{key[1]}", _cursors.get(key, 0), wait_seconds)
        if rows:
            _cursors[key] = rows[-1]["seq"]
            asked.talk.jobs(rows)

    async def _look(self, asked: Asked) -> None:
        while True:
            with suppress(BackendError):  # the engine is away: the next look may find it again
                asked.talk.workers(await KernelHost(self._kit).request("workers::list", {}))
            await self._kit.clock.sleep(LOOK_SECONDS)

    async def _keep_writing(self, asked: Asked) -> None:
        """Write what is left without a widget, while it grows."""
        version = -1
        while True:
            await self._kit.clock.sleep(WRITE_SECONDS)
            snapshot = asked.talk.snapshot()
            if snapshot["version"] != version:
                version = snapshot["version"]
                self._screen.update(asked.panel.widget, snapshot)

    # The cell's own wait

    async def outcome(self, asked: Asked) -> str | None:
        """Wait for the answer; None if somebody stopped watching, which stops nothing else."""
        try:
            either: set[asyncio.Future[Any]] = {
                asyncio.wrap_future(asked.answer), asyncio.wrap_future(asked.left),
            }  # fmt: skip
            while not asked.answer.done() and not asked.left.done():
                # Wake now and then: a kernel's Interrupt only queues a callback on the loop.
                await asyncio.wait(
                    either, timeout=WAKE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
        except asyncio.CancelledError:
            self._stop_watching(asked)
            return None
        if asked.answer.done():
            return asked.answer.result()
        self._stop_watching(asked)
        return None

    def outcome_blocking(self, asked: Asked) -> str | None:
        """See `outcome`; for a cell that cannot await."""
        try:
            return asked.answer.result()
        except KeyboardInterrupt:
            self._stop_watching(asked)
            return None

    def _stop_watching(self, asked: Asked) -> None:
        asked.talk.note(watched=None)
        self._screen.say(
            f"stopped watching; session {asked.session.id} goes on: `%ask` without words watches "
            "it again"
        )


def _set(left: "Future[None]") -> None:
    if not left.done():
        left.set_result(None)
