"""iii's queues: topics with durable subscribers, named queues and dead letters."""

from agentfx.services.queue._service import QueueService as QueueService
from agentfx.services.queue._settings import QueueConfig as QueueConfig
from agentfx.services.queue._settings import QueueSettings as QueueSettings
