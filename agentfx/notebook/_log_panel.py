"""`%log --live`: the log of a session as a table that grows, with a filter."""

import asyncio

from agentfx.harness import Session, SessionError
from agentfx.interpreters import BackendError
from agentfx.notebook._kit import Kit
from agentfx.notebook._screen import Screen
from agentfx.notebook._talk import Talk
from agentfx.notebook._talk_panel import TalkPanel

AGAIN_SECONDS = 1.0


class LogPanel(TalkPanel):
    """Follows a session for as long as its cell is there."""

    def __init__(self, kit: Kit, session: Session, talk: Talk) -> None:
        super().__init__(kit, session, talk, lambda: None)
        self.following = kit.cluster.submit(self._follow())

    async def _follow(self) -> None:
        pushing = asyncio.ensure_future(self.keep_pushing())
        try:
            while self._kit.engine_in_use is not None:  # what was taken down stays down
                try:
                    async for seen in self._session.watch(self._talk.head):
                        self._talk.apply([e for e in seen.events if e.seq > self._talk.head])
                except (BackendError, SessionError) as error:  # it may come back
                    self._talk.note(notice=str(error))
                    await self._kit.clock.sleep(AGAIN_SECONDS)
        finally:
            pushing.cancel()
            self.finish()

    def close(self) -> None:
        """See `TalkPanel.close`; nobody follows any more."""
        self.following.cancel()
        super().close()


def show_log(kit: Kit, screen: Screen, session: Session) -> LogPanel:
    """Show the log of a session in the cell that runs."""
    talk = Talk(session.id)
    talk.apply(kit.call(session.refresh()))
    talk.note(only="log")
    panel = LogPanel(kit, session, talk)
    screen.show(panel.widget, talk.snapshot())
    return panel
