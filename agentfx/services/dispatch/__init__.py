"""Runs and jobs, made durable: the functions `agentfx::*`."""

from agentfx.services.dispatch._messages import Count as Count
from agentfx.services.dispatch._messages import parse as parse
from agentfx.services.dispatch._owner import JobOwner as JobOwner
from agentfx.services.dispatch._owner import Jobs as Jobs
from agentfx.services.dispatch._service import DispatchService as DispatchService
from agentfx.services.dispatch._workers import ProcessEnded as ProcessEnded
