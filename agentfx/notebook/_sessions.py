"""Sessions of agents from a notebook: what the magics `%agent`, `%log` and the others call."""

import asyncio
from collections.abc import Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from agentfx.algebra import Published
from agentfx.cluster import Engine
from agentfx.harness import Agent, Comparison, LogEvent, Session, SessionError, attach, compare
from agentfx.harness import open as open_harness
from agentfx.notebook._errors import UserError
from agentfx.notebook._kit import Kit, the_kit
from agentfx.notebook._listings import frame
from agentfx.notebook._loop import awaited

if TYPE_CHECKING:
    import pandas as pd

SESSION_COLUMNS = ("session", "agent", "events", "epoch", "parent", "at_event", "created_at")
MOST_SESSIONS = 1000
WRITER = "notebook"
HELD_SECONDS = 30.0


class KernelHost:
    """What sessions need of an engine: the one that this kernel uses, from any loop.

    It starts none: a panel that still watches must not bring back what somebody took down.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    @property
    def engine(self) -> Engine:
        """The engine in use.

        Raises:
            SessionError: There is none any more.
        """
        engine = self._kit.engine_in_use
        if engine is None:
            raise SessionError(
                "no engine is in use: `%agentfx up` brings it back, with all that is on record"
            )
        return engine

    async def request(self, name: str, data: Any) -> Any:
        """See `AgentHost.request`."""
        thread = self._kit.cluster
        if asyncio.get_running_loop() is thread.loop:
            return await self.engine.request(name, data)
        asked = thread.submit(self.engine.request(name, data))
        try:
            return await awaited(asked)
        except asyncio.CancelledError:
            asked.cancel()  # nobody waits for the answer
            raise

    def bring_code(self) -> str | None:
        """See `AgentHost.bring_code`."""
        return self.engine.bring_code()

    async def published(self, function_id: str) -> Published | None:
        """See `AgentHost.published`."""
        return await awaited(self._kit.cluster.submit(self.engine.published(function_id)))


def open_session(agent: Agent, session: str | None = None, *, kit: Kit | None = None) -> Session:
    """Open a session of an agent, and mean it from now on.

    Args:
        agent: Whose session it is; one of a cell reaches the workers by its code's hash.
        session: Its id, a new one without it. One that is there keeps its prompt and tools.
        kit: Of this kernel.

    Raises:
        UserError: The session belongs to another agent.
    """
    chosen = kit or the_kit()
    name = session or f"{agent.name}-{token_hex(2)}"

    async def go() -> Session:
        await chosen.engine_with_workers(None)
        known = {row["id"]: row["agent"] for row in await _listed(chosen)}
        if known.get(name, agent.id) != agent.id:
            raise UserError(
                f"session {name} belongs to {known[name].removeprefix('agents::')}: "
                f"`%agent use {name}` goes on with it; without --session a new one is made"
            )
        return await open_harness(name, agent, backend=KernelHost(chosen), writer=WRITER)

    opened = chosen.call(go())
    chosen.session = opened.id
    chosen.agents[opened.id] = agent
    return opened


def use_session(session: str, *, kit: Kit | None = None) -> Session:
    """Go on with a session that is there, also after a restart of the kernel.

    Raises:
        SessionError: There is none.
    """
    chosen = kit or the_kit()

    async def go() -> Session:
        await chosen.engine_with_workers(None)
        return await attach(session, backend=KernelHost(chosen), writer=WRITER)

    found = chosen.call(go())
    chosen.session = found.id
    return found


def the_session(session: str | None = None, *, kit: Kit | None = None) -> Session:
    """A session by its id, the one in use without it.

    Raises:
        UserError: None is in use.
        SessionError: There is none of this id.
    """
    chosen = kit or the_kit()
    name = session or chosen.session
    if name is None:
        raise UserError(
            "no session is in use: `%agent new AGENT` begins one, `%agent list` has all"
        )

    async def go() -> Session:
        await chosen.engine()
        return await attach(name, backend=KernelHost(chosen), writer=WRITER)

    return chosen.call(go())


def sessions(*, kit: Kit | None = None) -> "pd.DataFrame":
    """The sessions of the engine, newest first."""
    chosen = kit or the_kit()
    rows = [
        {
            **row, "session": row["id"], "agent": row["agent"].removeprefix("agents::"),
            "events": row["head"], "parent": row["parent"] or "", "at_event": row["parent_seq"],
        }
        for row in chosen.call(_listed(chosen))
    ]  # fmt: skip
    made = frame(sorted(rows, key=lambda row: -row["created_at"]), SESSION_COLUMNS)
    made["at_event"] = made["at_event"].astype("Int64")
    return made


async def _listed(kit: Kit) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await kit.request("session::list", {"limit": MOST_SESSIONS})
    return rows


def ask(message: str, session: str | None = None, *, kit: Kit | None = None) -> str:
    """Say something, and wait for the answer; calls that wait for an approval end the wait."""
    chosen = kit or the_kit()
    found = the_session(session, kit=chosen)

    async def go() -> str:
        await chosen.engine_with_workers(None)
        return await found.ask(message)

    return chosen.call(go())


def log(session: str | None = None, *, kit: Kit | None = None) -> "pd.DataFrame":
    """The log of a session, one row an event."""
    return the_session(session, kit=kit).log()


def approve(
    call: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    *,
    session: str | None = None,
    kit: Kit | None = None,
) -> str:
    """Let a held call run; what happens now, in a sentence.

    Args:
        call: As the panel shows it; without it the one that is held, or is about to be.
        arguments: Instead of the model's own, all of them; the model is told.
        session: The one in use without it.
        kit: Of this kernel.

    Raises:
        UserError: No call is held, or several are.
        SessionError: The tool's schema does not allow the arguments.
    """
    chosen = kit or the_kit()
    found = the_session(session, kit=chosen)

    async def go() -> str:
        name = call or await _only_held(found)
        if not await found.approve(name, arguments):
            return f"call {name} was decided before"
        return f"approved: call {name} runs" + (" with your arguments" if arguments else "")

    return chosen.call(go())


def reject(
    call: str | None = None,
    reason: str = "",
    *,
    session: str | None = None,
    kit: Kit | None = None,
) -> str:
    """Do not let a held call run; arguments as for `approve`, and why, for the model."""
    chosen = kit or the_kit()
    found = the_session(session, kit=chosen)

    async def go() -> str:
        name = call or await _only_held(found)
        done = await found.reject(name, reason)
        return f"rejected: call {name} does not run" if done else f"call {name} was decided before"

    return chosen.call(go())


async def _only_held(session: Session) -> str:
    """The call that waits for an approval; waits for it while the session works."""
    status = await session.status(wait_seconds=HELD_SECONDS)
    if len(status.held) == 1:
        return status.held[0]
    if not status.held:
        raise UserError(f"no call of session {session.id} waits for an approval")
    names = ", ".join(status.held)
    raise UserError(f"several calls wait for an approval: name one of {names}")


def fork(
    at: int,
    *,
    branch: str | None = None,
    edit: str | None = None,
    agent: Agent | None = None,
    session: str | None = None,
    kit: Kit | None = None,
) -> Session:
    """Branch a session after an event, and mean the branch from now on; the parent stays.

    Args:
        at: Number of the last event that is kept.
        branch: Id of the branch.
        edit: Text of that event, instead of its own: a message's or a result's.
        agent: The branch goes on with it: another model, prompt or tools.
        session: The one in use without it.
        kit: Of this kernel.

    Raises:
        UserError: The event has no text to edit.
        SessionError: There is no such event.
    """
    chosen = kit or the_kit()
    found = the_session(session, kit=chosen)

    async def go() -> Session:
        await chosen.engine_with_workers(None)
        body = None if edit is None else _edited(await found.refresh(), at, edit)
        return await found.fork(at, branch, edit=body, agent=agent)

    made = chosen.call(go())
    chosen.session = made.id
    carried = agent or chosen.agents.get(found.id)
    if carried is not None:
        chosen.agents[made.id] = carried
    return made


def _edited(events: list[LogEvent], at: int, text: str) -> dict[str, Any]:
    event = next((event for event in events if event.seq == at), None)
    if event is None:
        raise SessionError(f"there is no event {at}: the log has 1 to {len(events)}")
    if event.kind not in ("user_message", "tool_result"):
        texts = [str(e.seq) for e in events if e.kind in ("user_message", "tool_result")]
        raise UserError(
            f"event {at} is {event.kind}: only messages and results have a text to edit, here "
            f"{', '.join(texts) or 'none'}"
        )
    return {**event.body, "content": text}


def compare_sessions(left: str, right: str | None = None, *, kit: Kit | None = None) -> Comparison:
    """Two branches side by side: events, cost, outcome.

    Args:
        left: Id of a session.
        right: Of another, the one in use without it.
        kit: Of this kernel.
    """
    chosen = kit or the_kit()
    one, other = the_session(left, kit=chosen), the_session(right, kit=chosen)

    async def go() -> Comparison:
        names = (one.id, other.id)
        return compare(await one.refresh(), await other.refresh(), names)

    return chosen.call(go())
