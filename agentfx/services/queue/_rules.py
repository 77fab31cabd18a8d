"""What a failure means, and what a subscriber asks for: pure."""

import json
import re
from dataclasses import dataclass, replace

from agentfx.services._host import Binding, FunctionError
from agentfx.services._store import QueueKey, Ticket
from agentfx.services.queue._settings import QueueSettings
from agentfx.wire import Json, is_object

MAX_LOSSES = 10
"""Workers that may go away while handling a message before it is given up."""

MAX_DELAY_MS = 30 * 24 * 3600 * 1000
_REFUSED = "trigger_registration_failed"


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a message is tried, and the delay after its first failure."""

    attempts: int
    backoff_ms: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a `durable:subscriber` trigger asks for."""

    key: QueueKey
    ordered: bool
    concurrency: int
    policy: Policy
    condition: str | None


def after_failure(ticket: Ticket, policy: Policy, now_ms: int) -> tuple[Ticket, bool]:
    """A message's ticket after its function failed, and whether it is to be given up."""
    attempts = ticket.attempts + 1
    delay = min(policy.backoff_ms << min(attempts - 1, 40), MAX_DELAY_MS)
    failed = replace(ticket, attempts=attempts, due_ms=now_ms + delay)
    return failed, attempts >= policy.attempts


def after_loss(ticket: Ticket) -> tuple[Ticket, bool]:
    """A message's ticket after its worker went away, and whether it is to be given up.

    The worker may have gone for any reason, so this is no attempt; but a message that takes
    its workers along must not do so for ever.
    """
    lost = replace(ticket, losses=ticket.losses + 1, due_ms=0)
    return lost, lost.losses >= MAX_LOSSES


def rendered(error: FunctionError) -> str:
    """An error as the reference shows it in a dead letter."""
    trace = "None" if error.stacktrace is None else f"Some({_quoted(error.stacktrace)})"
    code, message = _quoted(error.code), _quoted(error.message)
    return f"ErrorBody {{ code: {code}, message: {message}, stacktrace: {trace} }}"


def subscription(binding: Binding, settings: QueueSettings) -> Subscription:
    """Read a trigger.

    Raises:
        FunctionError: Its config is not one.
    """
    config = _object(binding.config, "config")
    topic = config.get("topic", config.get("queue"))
    if not isinstance(topic, str) or not topic:
        raise FunctionError(_REFUSED, "`topic` is missing or not a string")
    condition = config.get("condition_function_id")
    if condition is not None and not isinstance(condition, str):
        raise FunctionError(_REFUSED, "`condition_function_id` is not a string")
    tuning = _object(config.get("queue_config") or {}, "queue_config")
    retries = _number(tuning, "maxRetries", settings.max_attempts - 1)
    return Subscription(
        QueueKey("topic", topic, binding.namespace, binding.function_id),
        tuning.get("type", settings.mode) == "fifo",
        _number(tuning, "concurrency", settings.concurrency),
        Policy(retries + 1, _number(tuning, "backoffDelayMs", settings.backoff_ms)),
        condition,
    )


def group_of(data: Json, group_field: str) -> str:
    """The group of a message in a named fifo queue.

    Raises:
        FunctionError: The payload does not say.
    """
    group = data.get(group_field) if is_object(data) else None
    if group is None:
        raise FunctionError("enqueue_error", f"the payload has no `{group_field}` to order it by")
    return json.dumps(group, sort_keys=True)


def _object(value: Json, name: str) -> dict[str, Json]:
    if not is_object(value):
        raise FunctionError(_REFUSED, f"`{name}` is not an object")
    return value


def _number(tuning: dict[str, Json], name: str, default: int) -> int:
    value = tuning.get(name)
    if value is None:
        return default
    if type(value) is not int or value < 0:
        raise FunctionError(_REFUSED, f"`queue_config.{name}` is not a whole number from 0")
    return value


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _quoted(text: str) -> str:
    def escaped(match: re.Match[str]) -> str:
        letter = match[0]
        return _ESCAPES.get(letter) or f"\\u{{{ord(letter):x}}}"

    return '"' + re.sub(r'["\\\x00-\x1f\x7f]', escaped, text) + '"'
