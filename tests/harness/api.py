"""A server on loopback that plays the Messages API: the SDK that talks to it is the real one."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.harness.checker import check


@dataclass
class Plan:
    """How one request is answered.

    Attributes:
        events: Stream events; a number is a cut after so many bytes of what comes before it.
        status: Of an answer that is no stream; `error` is its body then.
        silent: Nothing is sent after the events, and the connection stays open.
        cut: The connection is closed after the events, without an end.
        gate: Waited for before the last event.
        one_byte: Everything is sent byte by byte.
    """

    events: Sequence[dict[str, Any]] = ()
    status: int = 200
    error: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    silent: bool = False
    cut: bool = False
    gate: asyncio.Event | None = None
    one_byte: bool = False


@dataclass
class Api:
    """What the server has seen, and how it answers next."""

    plans: list[Plan] = field(default_factory=list[Plan])
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    @property
    def attempts(self) -> int:
        return len(self.requests)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(
            line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
        )
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.headers.append(headers)
        self.requests.append(body)
        self.arrived.set()
        check(body, continues=body["messages"][-1]["role"] == "assistant")
        plan = self.plans.pop(0)
        if plan.status != 200:
            self._send_error(writer, plan)
            return True
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for number, event in enumerate(plan.events):
            if plan.gate is not None and number == len(plan.events) - 1:
                await plan.gate.wait()
            await _chunk(writer, event, one_byte=plan.one_byte)
        if plan.silent:
            await reader.read()
            self.gone.set()
            return False
        if plan.cut:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _send_error(self, writer: asyncio.StreamWriter, plan: Plan) -> None:
        body = json.dumps({"type": "error", "error": plan.error}).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in plan.headers.items())
        writer.write(
            f"HTTP/1.1 {plan.status} X\r\ncontent-type: application/json\r\n{extra}"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )


async def _chunk(writer: asyncio.StreamWriter, event: dict[str, Any], *, one_byte: bool) -> None:
    data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
    pieces = [bytes([byte]) for byte in data] if one_byte else [data]
    for piece in pieces:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    await writer.drain()


@asynccontextmanager
async def serving(*plans: Plan) -> AsyncGenerator[Api]:
    """A server with plans for the next requests."""
    api = Api(list(plans))
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield api
    finally:
        server.close()


def stream(
    *blocks: dict[str, Any],
    stop: str = "end_turn",
    details: dict[str, Any] | None = None,
    usage: dict[str, int] | None = None,
) -> list[dict[str, Any]]:
    """The events of a whole answer."""
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                "content": [], "stop_reason": None, "stop_sequence": None,
                "usage": {"input_tokens": 11, "output_tokens": 1, **(usage or {})},
            },
        },
        {"type": "ping"},
    ]  # fmt: skip
    for index, block in enumerate(blocks):
        events += block_events(index, block)
    delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": details}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})
    events.append({"type": "a_kind_of_event_from_next_year", "x": 1})
    events.append({"type": "message_stop"})
    return events


def block_events(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one block; text, thinking and arguments come in two pieces."""
    start, deltas = dict(block), list[dict[str, Any]]()
    if block["type"] == "text":
        start["text"] = ""
        deltas = [{"type": "text_delta", "text": part} for part in _halves(block["text"])]
    elif block["type"] == "thinking":
        start.update(thinking="", signature="")
        parts = _halves(block["thinking"])
        deltas = [{"type": "thinking_delta", "thinking": part} for part in parts]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif block["type"] == "tool_use":
        start["input"] = {}
        given = block["input"]
        whole = given if isinstance(given, str) else json.dumps(given)
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in _halves(whole)]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part]
