"""Rules of the Messages API, checked on a request as it is sent.

Written from the published rules alone; it shares no code with what builds requests.
"""

import re
from typing import Any

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_CACHEABLE = {"text", "tool_result", "tool_use", "image", "document"}
MOST_MARKS = 4
MOST_MESSAGES = 100_000
LOOK_BACK = 20


class RequestRefusedError(AssertionError):
    """The API would answer with a 400."""


def check(request: dict[str, Any], *, continues: bool = False) -> None:
    """Check a request body.

    Args:
        request: `system`, `tools` and `messages` as they are sent.
        continues: It goes on with a paused turn, so it may end with an answer.

    Raises:
        RequestRefusedError: A rule is broken.
    """
    tools = _check_tools(request.get("tools", []))
    messages = _merged(request["messages"])
    _require(bool(messages), "no messages")
    _require(len(request["messages"]) <= MOST_MESSAGES, "too many messages")
    _require(messages[0]["role"] == "user", "the first message is not a user's")
    last = messages[-1]["role"]
    _require(last == "user" or continues, "it ends with an answer: no prefill")
    seen: set[str] = set()
    for index, message in enumerate(messages):
        _require(bool(message["content"]), f"message {index} is empty")
        if message["role"] == "assistant":
            following = messages[index + 1] if index + 1 < len(messages) else None
            _check_answer(message, following, seen, tools)
        else:
            before = messages[index - 1] if index else None
            _check_user(message, before)
    _check_marks(request)


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role count as one message."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        _require(message["role"] in ("user", "assistant"), f"role {message['role']}")
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": message["role"], "content": blocks})
    return merged


def _check_tools(tools: list[dict[str, Any]]) -> set[str]:
    names = [tool["name"] for tool in tools]
    _require(len(names) == len(set(names)), "two tools of one name")
    for tool in tools:
        _require(bool(_NAME.fullmatch(tool["name"])), f"tool name {tool['name']!r}")
        _require(tool["input_schema"].get("type") == "object", "a tool's schema is no object")
    return set(names)


def _check_answer(
    message: dict[str, Any], following: dict[str, Any] | None, seen: set[str], tools: set[str]
) -> None:
    calls = [b for b in message["content"] if b["type"] == "tool_use"]
    for call in calls:
        _require(call["id"] not in seen, f"the call id {call['id']} is used twice")
        seen.add(call["id"])
        _require(isinstance(call["input"], dict), "arguments that are no object")
        _require(bool(tools), "calls in the history, and no tools defined")
    for block in message["content"]:
        if block["type"] == "text":
            _require(bool(block["text"]), "an empty text")
        if block["type"] == "thinking":
            _require(bool(block.get("signature")), "thinking without its signature")
    if not calls:
        return
    _require(following is not None, "calls without an answer")
    assert following is not None
    answered = [b["tool_use_id"] for b in following["content"] if b["type"] == "tool_result"]
    _require(
        sorted(answered) == sorted(c["id"] for c in calls),
        f"calls {[c['id'] for c in calls]}, results {answered}",
    )


def _check_user(message: dict[str, Any], before: dict[str, Any] | None) -> None:
    kinds = [b["type"] for b in message["content"]]
    results = [b for b in message["content"] if b["type"] == "tool_result"]
    first = kinds[: len(results)]
    _require(all(kind == "tool_result" for kind in first), "results after other blocks")
    for block in message["content"]:
        if block["type"] == "text":
            _require(bool(block["text"].strip()), "an empty text")
    called = set[str]()
    if before is not None and before["role"] == "assistant":
        called = {b["id"] for b in before["content"] if b["type"] == "tool_use"}
    for result in results:
        _require(result["tool_use_id"] in called, f"result of {result['tool_use_id']}: no call")


def _check_marks(request: dict[str, Any]) -> None:
    system = request.get("system", [])
    blocks: list[dict[str, Any]] = [] if isinstance(system, str) else list(system)
    blocks += request.get("tools", [])
    blocks += [b for m in request["messages"] for b in m["content"] if isinstance(b, dict)]
    marks = [b for b in blocks if "cache_control" in b]
    _require(len(marks) <= MOST_MARKS, f"{len(marks)} cache marks")
    for block in marks:
        kind = block.get("type", "text")
        _require(kind in _CACHEABLE or "input_schema" in block, f"a cache mark on {kind}")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise RequestRefusedError(what)
