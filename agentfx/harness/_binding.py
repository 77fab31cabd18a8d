"""What ties a session to its agent: what its log says of it, and what its services keep."""

from collections.abc import Mapping
from typing import Any, Protocol

from agentfx._errors import AgentfxError
from agentfx.algebra import Published
from agentfx.harness._agent import Agent
from agentfx.harness._tool import remote_ids


class SessionError(AgentfxError):
    """A session cannot do what it was asked."""


class AgentHost(Protocol):
    """What sessions need of a connection to an engine."""

    async def request(self, name: str, data: Any) -> Any:
        """Ask the services; `name` without `agentfx::`."""
        ...

    def bring_code(self) -> str | None:
        """Let workers have this process's code as it is now; its version."""
        ...

    async def published(self, function_id: str) -> Published | None:
        """What the worker of a function publishes about it, None if nobody has it now."""
        ...


def binding(backend: AgentHost, agent: Agent) -> dict[str, Any]:
    """What the services keep of an agent beside a session's log."""
    return {
        "agent": agent.id, "code": backend.bring_code(), "policy": agent.policy,
        "results": agent.results, "budget": agent.budget,
    }  # fmt: skip


async def described_by(backend: AgentHost, agent: Agent) -> Mapping[str, Any]:
    """What a session says of its agent; the schemas of remote tools are as published now.

    Raises:
        SessionError: A worker of a remote tool is not there.
    """
    published: dict[str, Published] = {}
    for function_id in remote_ids(agent.tools):
        found = await backend.published(function_id)
        if found is None:
            raise SessionError(
                f"nobody has {function_id} now: start its worker, then open the session"
            )
        published[function_id] = found
    return agent.body(published)
