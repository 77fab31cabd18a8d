"""How queues behave."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A named queue.

    Attributes:
        max_retries: Attempts in all; 0 is like 1.
        concurrency: Messages handled at a time.
        type: `fifo` handles the messages of a group one after the other.
        message_group_field: Of the payload, for `fifo`; its value names the group.
        backoff_ms: Delay after the first failure; it doubles with every further one.
    """

    max_retries: int = 3
    concurrency: int = 10
    type: Literal["standard", "fifo"] = "standard"
    message_group_field: str | None = None
    backoff_ms: int = 1000


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """All queues.

    Attributes:
        queue_configs: Named queues; one named `default` always exists.
        max_attempts: Of a topic's messages, for subscribers that do not say.
        backoff_ms: The same.
        concurrency: The same.
        mode: The same.
        retention_seconds: How long a subscriber that went away goes on getting messages.
    """

    queue_configs: dict[str, QueueConfig] = field(default_factory=dict[str, QueueConfig])
    max_attempts: int = 3
    backoff_ms: int = 1000
    concurrency: int = 10
    mode: Literal["concurrent", "fifo"] = "concurrent"
    retention_seconds: float = 3600.0
