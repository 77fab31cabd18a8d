"""`ClaudeModel` against a server that plays the Messages API, with the real SDK."""

import asyncio
from typing import Any

import pytest

from agentfx.harness import Attempt, ClaudeModel, ModelError, Request
from agentfx.harness._claude import BINDING_BETA
from agentfx.harness._request import Message
from tests.harness.api import Api, Plan, block_events, serving, stream

KEY = "sk-ant-test-0123456789abcdef"
TOOL = {"name": "add", "description": "", "input_schema": {"type": "object"}}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
THINKING = {"type": "thinking", "thinking": "let me éé", "signature": "c2ln=="}
REDACTED = {"type": "redacted_thinking", "data": "b3BhcXVl"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)


def asked(model: ClaudeModel, text: str = "hello") -> Request:
    message = Message("user", ({"type": "text", "text": text},))
    return Request(model.settings(), "Be brief.", (TOOL,), (message,), 0, "")


async def complete(
    api: Api, monkeypatch: pytest.MonkeyPatch, attempt: Attempt | None = None, **settings: Any
) -> Any:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
    model = ClaudeModel("claude-test", **settings)
    return await model.complete(asked(model), attempt or Attempt())


async def test_an_answer_comes_back_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"type": "text", "text": "Hi, 世界"}
    second = {**CALL, "id": "toolu_2", "input": {"b": [1, {"c": None}]}}
    events = stream(THINKING, REDACTED, words, CALL, second, stop="tool_use")
    async with serving(Plan(events)) as api:
        reply = await complete(api, monkeypatch)
    assert list(reply.content) == [THINKING, REDACTED, words, CALL, second]
    assert (reply.stop_reason, reply.message_id, api.attempts) == ("tool_use", "msg_1", 1)
    assert (reply.usage.input, reply.usage.output) == (11, 7)


async def test_empty_thinking_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {**THINKING, "thinking": ""}
    async with serving(Plan(stream(empty, CALL, stop="tool_use"))) as api:
        reply = await complete(api, monkeypatch)
    assert list(reply.content) == [empty, CALL]


async def test_it_always_streams_and_the_key_is_in_the_header_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(Plan(stream())) as api:
        await complete(api, monkeypatch)
    assert api.requests[0]["stream"] is True
    assert KEY in str(api.headers[0])
    assert KEY not in str(api.requests[0])
    assert api.requests[0]["thinking"] == {"type": "adaptive"}


async def test_settings_reach_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Plan(stream())) as api:
        await complete(
            api, monkeypatch, effort="low", parallel=False, on_changed_prefix="error",
            extra={"metadata": {"user_id": "u"}},
        )  # fmt: skip
    sent = api.requests[0]
    assert sent["output_config"] == {"effort": "low"}
    assert sent["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert sent["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "error"}
    assert sent["metadata"] == {"user_id": "u"}
    assert api.headers[0]["anthropic-beta"] == BINDING_BETA


@pytest.mark.parametrize(
    "stop",
    [
        "end_turn", "stop_sequence", "tool_use", "max_tokens", "pause_turn", "refusal",
        "model_context_window_exceeded", "from_next_year",
    ],
)  # fmt: skip
async def test_37_stop_reasons_come_as_they_are(stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    details = {"type": "refusal", "category": "cyber"} if stop == "refusal" else None
    words = {"type": "text", "text": "x"}
    async with serving(Plan(stream(words, stop=stop, details=details))) as api:
        reply = await complete(api, monkeypatch)
    assert (reply.stop_reason, reply.details) == (stop, details)


async def test_11_and_17_an_open_block_is_never_in_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = stream({"type": "text", "text": "x"}, stop="max_tokens")
    cut = block_events(1, CALL)[:-1]
    thought = [e for e in block_events(2, THINKING) if "signature_delta" not in str(e)]
    async with serving(Plan([*events[:-3], *cut, *thought, *events[-3:]])) as api:
        reply = await complete(api, monkeypatch)
    assert [block["type"] for block in reply.content] == ["text"]


@pytest.mark.parametrize("text", ['{"a": ', "[1]", '"x"', "nonsense"])
async def test_11_arguments_that_are_no_object_are_marked(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Plan(stream({**CALL, "input": text}, stop="tool_use"))) as api:
        reply = await complete(api, monkeypatch)
    assert reply.bad_arguments == {"toolu_1"}
    assert reply.content[0]["input"] == {}


async def test_bytes_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    events = stream(THINKING, {"type": "text", "text": "世界"}, CALL, stop="tool_use")
    async with serving(Plan(events, one_byte=True)) as api:
        reply = await complete(api, monkeypatch)
    assert list(reply.content) == [THINKING, {"type": "text", "text": "世界"}, CALL]


ERRORS = {
    400: ("invalid_request_error", "invalid_request"),
    401: ("authentication_error", "auth"),
    402: ("billing_error", "billing"),
    403: ("permission_error", "permission"),
    404: ("not_found_error", "not_found"),
    413: ("request_too_large", "too_large"),
    429: ("rate_limit_error", "rate_limit"),
    500: ("api_error", "server"),
    503: ("something_new", "server"),
    504: ("timeout_error", "timeout"),
    529: ("overloaded_error", "overloaded"),
}


@pytest.mark.parametrize("status", ERRORS)
async def test_32_errors_are_classed_and_the_sdk_does_not_retry(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, kind = ERRORS[status]
    error = {"type": name, "message": "no"}
    async with serving(Plan(status=status, error=error)) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch)
    assert (raised.value.kind, raised.value.status, api.attempts) == (kind, status, 1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_33_the_wait_that_is_asked_for_is_read(
    headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"type": "rate_limit_error", "message": "slow down"}
    async with serving(Plan(status=429, error=error, headers=headers)) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch)
    assert (raised.value.retry_after, api.attempts) == (seconds, 1)


async def test_34_a_spend_limit_is_not_a_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    details = {"error_code": "enforced_spend_limit_reached"}
    error = {"type": "rate_limit_error", "message": "limit", "details": details}
    async with serving(Plan(status=429, error=error)) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch)
    assert raised.value.kind == "spend_limit"


async def test_too_long_a_prompt_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}
    async with serving(Plan(status=400, error=error)) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch)
    assert raised.value.kind == "context_window"


async def test_36_an_error_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    events = [*stream({"type": "text", "text": "half"})[:5], error]
    async with serving(Plan(events)) as api:
        attempt = Attempt()
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch, attempt)
    assert (raised.value.kind, attempt.usage.input, api.attempts) == ("overloaded", 11, 1)


@pytest.mark.parametrize("kept", [0, 1, 4, -1])
async def test_36_a_cut_connection(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Plan(stream(CALL, stop="tool_use")[:kept], cut=True)) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch)
    assert (raised.value.kind, api.attempts) == ("network", 1)


async def test_a_stream_without_its_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Plan(stream(CALL, stop="tool_use")[:-1])) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch)
    assert raised.value.kind == "network"


async def test_a_silent_stream_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Plan(stream()[:2], silent=True)) as api:
        with pytest.raises(ModelError) as raised:
            await complete(api, monkeypatch, read_seconds=0.05)
    assert raised.value.kind == "timeout"


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as api:
        pass
    with pytest.raises(ModelError) as raised:
        await complete(api, monkeypatch)
    assert raised.value.kind == "network"


async def test_an_aborted_call_hangs_up_and_its_usage_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = asyncio.Event()
    attempt = Attempt(show=lambda part: shown.set())
    async with serving(Plan(stream({"type": "text", "text": "long"})[:5], silent=True)) as api:
        call = asyncio.ensure_future(complete(api, monkeypatch, attempt))
        await shown.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await api.gone.wait()
    assert attempt.usage.input == 11


async def test_46_what_is_shown_joins_to_what_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[str] = []
    attempt = Attempt(show=lambda part: parts.append(part["text"]))
    async with serving(Plan(stream({"type": "text", "text": "Hello, world"}))) as api:
        reply = await complete(api, monkeypatch, attempt)
    assert "".join(parts) == reply.content[0]["text"]


async def test_without_a_key_it_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    model = ClaudeModel("claude-test")
    with pytest.raises(ModelError, match="ANTHROPIC_API_KEY is not set where the worker"):
        await model.complete(asked(model), Attempt())
