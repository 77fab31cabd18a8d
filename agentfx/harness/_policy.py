"""What follows from a model's answer or failure, and when a turn has to end."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from agentfx.harness._model import RETRIED, ModelError
from agentfx.harness._transcript import Transcript
from agentfx.jobs import chance

StopAction: TypeAlias = Literal[
    "end_turn", "run_tools", "resume", "refused", "cut_window", "end_unknown"
]
MOST_PAUSES = 10

_STOPS: Mapping[str, StopAction] = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "tool_use": "run_tools",
    "max_tokens": "run_tools",  # closed calls are complete; one that was cut is not in the reply
    "pause_turn": "resume",
    "compaction": "resume",
    "refusal": "refused",
    "model_context_window_exceeded": "cut_window",
}


def on_stop(stop_reason: str) -> StopAction:
    """The one thing to do for a stop reason; for one that is not known, end and say which."""
    return _STOPS.get(stop_reason, "end_unknown")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed model call is tried again, and how long it waits.

    Attributes:
        attempts: In all.
        first_seconds: Wait after the first failure; it doubles.
        most_seconds: Longest wait of our own.
        most_retry_after: A provider that asks for more ends the turn instead.
    """

    attempts: int = 5
    first_seconds: float = 2.0
    most_seconds: float = 120.0
    most_retry_after: float = 3600.0


def delay_after(error: ModelError, tried: int, retry: Retry, key: str) -> float | None:
    """Seconds to wait before the next attempt, None if there is none.

    Args:
        error: Of the last attempt.
        tried: Attempts so far, this one included; those that a killed worker made do not count.
        retry: The rules.
        key: Makes the jitter: the same whenever this failure is looked at.
    """
    if error.kind not in RETRIED or tried >= retry.attempts:
        return None
    own = min(retry.first_seconds * 2 ** (tried - 1), retry.most_seconds)
    delay: float = own * (0.5 + chance(key) / 2)
    if error.retry_after is None:
        return delay
    if error.retry_after > retry.most_retry_after:
        return None
    return max(error.retry_after, delay)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a turn has to end; each ends it in an event that names it.

    Attributes:
        steps: Model calls after one message of a user.
        seconds: Time after that message.
        tokens: Of all model calls of the session.
        failing_calls: A call that failed so often is answered without running it again.
    """

    steps: int = 50
    seconds: float | None = None
    tokens: int | None = None
    failing_calls: int = 2


@dataclass(frozen=True, slots=True)
class Window:
    """How much of a conversation a request shows.

    Attributes:
        tokens: Above this estimate, messages are dropped from the front.
        keep: Share of `tokens` that is kept then, so that cuts are rare.
    """

    tokens: int = 150_000
    keep: float = 0.5


CHARACTERS_PER_TOKEN = 3.0
"""Low on purpose: an estimate that is too high only cuts a little early."""


def tokens_of(characters: int) -> int:
    """An estimate that is rather too high."""
    return int(characters / CHARACTERS_PER_TOKEN)


def cut_at(state: Transcript, window: Window, *, forced: bool = False) -> int | None:
    """From which message on they are kept, None if nothing has to go.

    Args:
        state: The transcript, without what waits.
        window: The rules.
        forced: The provider says that it is too much, whatever the estimate.

    A cut only moves on, and only to the beginning of a user's message that answers no call.
    """
    if not forced and tokens_of(state.size) <= window.tokens:
        return None
    places = state.turns
    if not places:
        return None
    room = window.tokens * window.keep
    fitting = [place for place, size in places if tokens_of(size) <= room]
    return fitting[0] if fitting else places[-1][0]


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of a session, frozen in its first event."""

    retry: Retry = field(default_factory=Retry)
    limits: Limits = field(default_factory=Limits)
    window: Window = field(default_factory=Window)

    def body(self) -> dict[str, Any]:
        """As the log has them."""
        return asdict(self)


def rules_of(agent: Mapping[str, Any]) -> Rules:
    """The rules that a session began with."""
    found: Mapping[str, Any] = agent.get("rules", {})
    return Rules(
        Retry(**found.get("retry", {})),
        Limits(**found.get("limits", {})),
        Window(**found.get("window", {})),
    )


def limit_reached(state: Transcript, limits: Limits, now: float) -> str | None:
    """Which limit ends the turn now, if one does."""
    if state.steps >= limits.steps:
        return f"steps: {state.steps} model calls after one message"
    if limits.seconds is not None and now - state.message_at > limits.seconds:
        return f"seconds: more than {limits.seconds:g} s after the message"
    if limits.tokens is not None and state.tokens >= limits.tokens:
        return f"tokens: {state.tokens:,} of {limits.tokens:,} used"
    if state.pauses > MOST_PAUSES:
        return f"pauses: the model paused {state.pauses} times in a row"
    return None
