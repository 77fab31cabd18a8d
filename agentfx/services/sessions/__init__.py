"""Sessions of agents, made durable: the functions `agentfx::session::*`."""

from agentfx.services.sessions._service import SessionService as SessionService
