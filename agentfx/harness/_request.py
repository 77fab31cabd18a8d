"""What a model is asked: system, tools and messages, with nothing that may change later."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Block: TypeAlias = Mapping[str, Any]
"""A content block, as the Messages API has it."""

MARKS = 4
"""More `cache_control` marks are refused."""
MARK_EVERY = 15
"""Blocks between marks: the API looks back over 20 for what it has cached."""
_UNMARKED = ("thinking", "redacted_thinking")
_CACHE = {"type": "ephemeral"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message: `user` and `assistant` take turns, except after a paused turn."""

    role: str
    content: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a model.

    Attributes:
        model: What the agent's model said of itself when the session began.
        tools: As the API takes them.
        shared: Blocks of `messages` that an earlier request has sent already.
        digest: Of system, tools and messages.
    """

    model: Mapping[str, Any]
    system: str
    tools: tuple[Mapping[str, Any], ...]
    messages: tuple[Message, ...]
    shared: int
    digest: str

    @property
    def last_text(self) -> str:
        """The text that ends the last message, empty if it ends otherwise."""
        if not self.messages or not self.messages[-1].content:
            return ""
        return str(self.messages[-1].content[-1].get("text", ""))


def canonical(value: Any) -> str:
    """JSON in one form only: what is compared, hashed and sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def digest(parts: Iterable[str]) -> str:
    """A hash of texts in order."""
    whole = hashlib.blake2b(digest_size=16)
    for part in parts:
        whole.update(part.encode())
        whole.update(b"\0")
    return whole.hexdigest()


def lines(request: Request) -> list[str]:
    """A request as a list of texts of which a later request only has more."""
    head = [canonical(request.system), canonical(list(request.tools))]
    return head + [
        f"{message.role} {canonical(block)}"
        for message in request.messages
        for block in message.content
    ]


def marked(request: Request) -> dict[str, Any]:
    """System, tools and messages as the API takes them, with marks for its cache.

    One mark covers tools and system. The others stand at the end, where the last request ended,
    and between them, so that the API finds what it has from whatever it is asked next.
    """
    system = [{"type": "text", "text": request.system, "cache_control": _CACHE}]
    free = MARKS - 1 if request.system else MARKS
    places = set(_marks(request, free))
    count = 0
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        content: list[dict[str, Any]] = []
        for block in message.content:
            count += 1
            marks = {"cache_control": _CACHE} if count in places else {}
            content.append({**block, **marks})
        messages.append({"role": message.role, "content": content})
    return {
        **({"system": system} if request.system else {}),
        **({"tools": [dict(tool) for tool in request.tools]} if request.tools else {}),
        "messages": messages,
    }


def _marks(request: Request, free: int) -> Sequence[int]:
    """Numbers of the blocks that get a mark, counted from 1."""
    blocks = [block for message in request.messages for block in message.content]

    def markable(number: int) -> int:
        while number > 0 and blocks[number - 1]["type"] in _UNMARKED:
            number -= 1
        return number

    end = len(blocks)
    wanted = [end, request.shared, *range(end - MARK_EVERY, 0, -MARK_EVERY)]
    found: list[int] = []
    for number in wanted:
        place = markable(number)
        if place > 0 and place not in found:
            found.append(place)
    return found[:free]
