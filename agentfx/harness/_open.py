"""To open sessions: new ones, and those that are there."""

import logging
from secrets import token_hex
from typing import Literal, cast

from agentfx.harness._agent import Agent
from agentfx.harness._binding import AgentHost, SessionError, binding, described_by
from agentfx.harness._session import Session
from agentfx.interpreters import ServiceError

_log = logging.getLogger("agentfx")


class NotDurableError(SessionError):
    """The engine keeps what it acknowledges in memory only."""


async def open(  # noqa: A001 - `harness.open`, as files are opened
    session: str,
    agent: Agent,
    *,
    backend: AgentHost,
    writer: str = "client",
    if_lossy: Literal["refuse", "warn", "ignore"] = "warn",
) -> Session:
    """Open a session: a new one, or one that is there already.

    A new session keeps the agent's prompt, tools and rules. One that is there keeps its own; only
    its code is brought up to date, so that workers that load this process's code can go on.

    Args:
        session: Its id.
        agent: Whose session it is.
        backend: A cluster or connection.
        writer: Who the log says wrote what this client sends.
        if_lossy: What to do on an engine that may lose what it has acknowledged.

    Raises:
        NotDurableError: It may, and `if_lossy` says to refuse.
        TypeError: That is no agent.
    """
    if not isinstance(cast("object", agent), Agent):
        raise TypeError(f"a session is an agent's, not {agent!r}'s: open(id, Agent(…), …)")
    if if_lossy != "ignore":
        await _check_durability(backend, refuse=if_lossy == "refuse")
    await _bind(backend, session, agent, writer)
    return Session(session, backend, writer)


async def _check_durability(backend: AgentHost, *, refuse: bool) -> None:
    lossy = (await backend.request("session::durability", {}))["lossy"]
    if lossy is None:
        return
    message = f"what the engine acknowledges may be lost with its machine: {lossy}"
    if refuse:
        raise NotDurableError(message)
    _log.warning(message)


async def _bind(backend: AgentHost, session: str, agent: Agent, writer: str) -> None:
    """Make a session this agent's."""
    body = dict(await described_by(backend, agent))
    event = {"kind": "session_started", "body": body, "key": f"start/{token_hex(8)}"}
    await backend.request(
        "session::open",
        {
            "session": session, "writer": writer, "events": [event], "purse": agent.purse,
            **binding(backend, agent),
        },
    )  # fmt: skip


async def attach(session: str, *, backend: AgentHost, writer: str = "client") -> Session:
    """A session that is there already, for those who do not have its agent.

    Raises:
        SessionError: There is none.
    """
    found = Session(session, backend, writer)
    try:
        await found.status()
    except ServiceError as error:
        raise SessionError(str(error)) from None
    return found
