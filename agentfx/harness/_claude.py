"""Claude, on the `anthropic` SDK: always streaming, one attempt, nothing rewritten."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from agentfx._clock import SystemClock
from agentfx.harness._model import Attempt, ErrorClass, ModelError, Prices, Reply, Usage
from agentfx.harness._request import Request, marked

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic

KEY = "ANTHROPIC_API_KEY"
BINDING_BETA = "thinking-binding-controls-2026-08-01"
_CLASSES: Mapping[str, ErrorClass] = {
    "invalid_request_error": "invalid_request",
    "authentication_error": "auth",
    "billing_error": "billing",
    "permission_error": "permission",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limit",
    "timeout_error": "timeout",
    "api_error": "server",
    "overloaded_error": "overloaded",
}
_STATUSES: Mapping[int, ErrorClass] = {
    400: "invalid_request", 401: "auth", 402: "billing", 403: "permission", 404: "not_found",
    408: "timeout", 409: "server", 413: "too_large", 429: "rate_limit", 504: "timeout",
    529: "overloaded",
}  # fmt: skip


@dataclass(frozen=True)
class ClaudeModel:
    """Claude. The key comes from the environment of whoever makes the step, and is kept nowhere.

    Attributes:
        name: Of the model, such as `claude-opus-4-8`.
        max_tokens: Of an answer, thinking included.
        thinking: Whether the model thinks; adaptively, so no budget is needed.
        effort: `low`, `medium`, `high`; None leaves it to the model.
        parallel: Whether one answer may hold several tool calls.
        prices: Money for a million tokens; needed for a budget.
        on_changed_prefix: What the API does with thinking whose prefix has changed: `error`,
            `drop_block`, or None for the account's default.
        read_seconds: A stream that is silent for so long is cut.
        betas: Beta features to ask for.
        extra: More fields of the request.
    """

    name: str
    max_tokens: int = 16_000
    thinking: bool = True
    effort: str | None = None
    parallel: bool = True
    prices: Prices | None = None
    on_changed_prefix: str | None = None
    read_seconds: float = 120.0
    betas: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        return {**asdict(self), "betas": list(self.betas), "extra": dict(self.extra)}

    async def complete(self, request: Request, attempt: Attempt) -> Reply:
        """See `Model.complete`."""
        import httpx2
        from anthropic import APIConnectionError, APIStatusError, APITimeoutError

        answer = _Answer(attempt)
        try:
            stream = await _client().messages.create(**self._body(request), stream=True)
            async with stream:
                async for event in stream:
                    answer.take(event.model_dump(mode="json", exclude_unset=True))
        except APIStatusError as error:
            raise _status_error(error) from error
        except (APITimeoutError, httpx2.TimeoutException) as error:
            raise ModelError("timeout", f"no answer in time: {error}") from error
        except (APIConnectionError, httpx2.HTTPError) as error:
            raise ModelError("network", f"the connection failed: {error}") from error
        return answer.reply()

    def _body(self, request: Request) -> dict[str, Any]:
        import httpx2

        settings = request.model
        body: dict[str, Any] = {
            "model": settings.get("name", self.name),
            "max_tokens": settings.get("max_tokens", self.max_tokens),
            **marked(request),
            **settings.get("extra", {}),
            "timeout": httpx2.Timeout(self.read_seconds, connect=10.0),
        }
        betas = [*settings.get("betas", ())]
        if settings.get("thinking"):
            thinking: dict[str, Any] = {"type": "adaptive"}
            if settings.get("on_changed_prefix"):
                behaviour = {"prefix_mismatch_behavior": settings["on_changed_prefix"]}
                thinking["block_binding"] = behaviour
                betas.append(BINDING_BETA)
            body["thinking"] = thinking
        if settings.get("effort"):
            body["output_config"] = {"effort": settings["effort"]}
        if request.tools and not settings.get("parallel", True):
            body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
        if betas:
            body["extra_headers"] = {"anthropic-beta": ",".join(betas)}
        return body


_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncAnthropic]" = WeakKeyDictionary()


def _client() -> "AsyncAnthropic":
    """The client of this loop; retries are the harness's business alone."""
    if not os.environ.get(KEY):
        raise ModelError("missing_key", f"{KEY} is not set where the worker was started")
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        from anthropic import AsyncAnthropic

        _clients[loop] = AsyncAnthropic(max_retries=0, open_telemetry=False)
    return _clients[loop]


class _Answer:
    """A stream on its way to a reply; only closed blocks count."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._open: dict[int, dict[str, Any]] = {}
        self._json: dict[int, str] = {}
        self._closed: dict[int, dict[str, Any]] = {}
        self._bad: set[str] = set()
        self._usage: dict[str, int] = {}
        self._stop: str | None = None
        self._details: Mapping[str, Any] | None = None
        self._message_id: str | None = None
        self._ended = False

    def take(self, event: Mapping[str, Any]) -> None:
        """One event of the stream; unknown ones are passed over."""
        match event.get("type"):
            case "message_start":
                message = event["message"]
                self._message_id = message.get("id")
                self._count(message.get("usage") or {})
            case "content_block_start":
                self._open[event["index"]] = dict(event["content_block"])
            case "content_block_delta":
                self._add(event["index"], event["delta"])
            case "content_block_stop":
                self._close(event["index"])
            case "message_delta":
                self._stop = event["delta"].get("stop_reason")
                self._details = event["delta"].get("stop_details")
                self._count(event.get("usage") or {})
            case "message_stop":
                self._ended = True
            case _:
                pass

    def _add(self, index: int, delta: Mapping[str, Any]) -> None:
        block = self._open[index]
        match delta["type"]:
            case "text_delta":
                block["text"] = block.get("text", "") + delta["text"]
                self._attempt.show({"type": "text", "text": delta["text"]})
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
                self._attempt.show({"type": "thinking", "text": delta["thinking"]})
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "input_json_delta":
                self._json[index] = self._json.get(index, "") + delta["partial_json"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            case _:
                pass

    def _close(self, index: int) -> None:
        block = self._open.pop(index)
        if block["type"] in ("tool_use", "server_tool_use") and index in self._json:
            block["input"] = self._arguments(block, self._json[index])
        if block["type"] == "thinking" and not block.get("signature"):
            return  # it could never be sent again
        if block["type"] == "text" and not block.get("text"):
            return  # the API sends such blocks, and refuses to take them
        self._closed[index] = block

    def _arguments(self, block: Mapping[str, Any], text: str) -> Mapping[str, Any]:
        try:
            found = json.loads(text or "{}")
        except ValueError:
            found = None
        if isinstance(found, dict):
            whole: dict[str, Any] = found  # pyright: ignore[reportUnknownVariableType]
            return whole
        self._bad.add(block["id"])
        return {}

    def _count(self, usage: Mapping[str, Any]) -> None:
        self._usage.update({k: v for k, v in usage.items() if isinstance(v, int)})
        counted = self._usage
        self._attempt.usage = Usage(
            counted.get("input_tokens", 0),
            counted.get("cache_creation_input_tokens", 0),
            counted.get("cache_read_input_tokens", 0),
            counted.get("output_tokens", 0),
        )

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            ModelError: The stream ended before the answer did.
        """
        if not self._ended or self._stop is None:
            raise ModelError("network", "the stream ended before the answer did")
        content = tuple(self._closed[index] for index in sorted(self._closed))
        return Reply(
            content, self._stop, self._attempt.usage, frozenset(self._bad), self._details,
            self._message_id,
        )  # fmt: skip


def _status_error(error: "APIStatusError") -> ModelError:
    kind = (error.type and _CLASSES.get(error.type)) or _STATUSES.get(error.status_code)
    if kind is None:
        kind = (
            "server" if error.status_code >= 500 or error.status_code == 200 else "invalid_request"
        )
    if error.error_code == "enforced_spend_limit_reached":
        kind = "spend_limit"
    text = error.api_message or str(error)
    if kind == "invalid_request" and "prompt is too long" in text:
        kind = "context_window"
    return ModelError(
        kind, text, retry_after=_retry_after(error.response.headers), status=error.status_code
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after`, as a number or a date."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(float(value) * unit, 0.0)
        except ValueError:
            pass
        try:
            return max(parsedate_to_datetime(value).timestamp() - SystemClock().wall(), 0.0)
        except ValueError:
            continue
    return None
