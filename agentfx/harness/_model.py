"""The port to models, and what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from agentfx._errors import AgentfxError
from agentfx.harness._request import Block, Request

ErrorClass: TypeAlias = Literal[
    "rate_limit", "overloaded", "server", "network", "timeout",
    "invalid_request", "auth", "billing", "permission", "not_found", "too_large", "spend_limit",
    "context_window", "script", "missing_key",
]  # fmt: skip
RETRIED: frozenset[str] = frozenset({"rate_limit", "overloaded", "server", "network", "timeout"})
"""Errors after which the same request may well succeed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call, as they are billed.

    Attributes:
        input: Read neither from the cache nor into it.
        cache_write: Written into the cache.
        cache_read: Read from it.
        output: Thinking included.
    """

    input: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """All tokens."""
        return self.input + self.cache_write + self.cache_read + self.output


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens of each kind."""

    input: float
    output: float
    cache_write: float | None = None
    cache_read: float | None = None

    def of(self, usage: Usage) -> float:
        """What a usage costs."""
        write = self.input if self.cache_write is None else self.cache_write
        read = self.input if self.cache_read is None else self.cache_read
        return (
            usage.input * self.input
            + usage.cache_write * write
            + usage.cache_read * read
            + usage.output * self.output
        ) / 1_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered.

    Attributes:
        content: Closed blocks, byte for byte as they came.
        stop_reason: As the provider named it.
        bad_arguments: Ids of tool calls whose arguments were no JSON object; never run.
        details: What the provider said beside the stop reason.
        message_id: Of the provider.
    """

    content: tuple[Block, ...]
    stop_reason: str
    usage: Usage = Usage()
    bad_arguments: frozenset[str] = frozenset()
    details: Mapping[str, Any] | None = None
    message_id: str | None = None


class ModelError(AgentfxError):
    """A model call came to nothing.

    Attributes:
        kind: Stable category; decides whether it is tried again.
        retry_after: Seconds that the provider asked to wait.
        status: Of HTTP, if there was an answer.
    """

    def __init__(
        self,
        kind: ErrorClass,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.kind, self.retry_after, self.status = kind, retry_after, status


@dataclass(slots=True)
class Attempt:
    """One model call under way.

    Attributes:
        show: Called with each piece of text for whoever watches; never the truth.
        usage: As far as it is known: an aborted call is billed too.
    """

    show: Callable[[Mapping[str, Any]], None] = field(default=lambda part: None)
    usage: Usage = Usage()


class Model(Protocol):
    """A model. It travels to workers with its agent, so it holds no key and no connection."""

    def settings(self) -> Mapping[str, Any]:
        """What goes into the log: `name`, `max_tokens`, prices, and what else requests need."""
        ...

    async def complete(self, request: Request, attempt: Attempt) -> Reply:
        """Ask once; this must not try again by itself.

        Raises:
            ModelError: It came to nothing.
        """
        ...


def prices_of(settings: Mapping[str, Any]) -> Prices | None:
    """The prices that a model's settings have."""
    found = settings.get("prices")
    return None if found is None else Prices(**found)
