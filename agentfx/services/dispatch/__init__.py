"""Runs and jobs, made durable: the functions `agentfx::*`."""

from agentfx.services.dispatch._service import DispatchService as DispatchService
from agentfx.services.dispatch._workers import ProcessEnded as ProcessEnded
