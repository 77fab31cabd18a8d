"""Clients that break rules, or flood, or do not read: nobody else may notice."""

import asyncio
import json
import os
import struct
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agentfx.engine import Engine, _link, _socket
from tests.engine.client import DEADLINE, Client, Frame, connected
from tests.engine.conftest import Serving
from tests.waiting import eventually

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


SESAME = "secret"
CALLS = 30
"""Calls of a bystander that a flood has to let through, before a test is over its time."""


class Raw:
    """A TCP connection that speaks as much WebSocket as a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def shake_hands(self, path: str = "/", more: str = "") -> str:
        """Ask for an upgrade; the first line of the answer."""
        self.writer.write(UPGRADE.format(path=path, more=more).encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head.decode().splitlines()[0]

    def frame(self, payload: bytes, opcode: int = 1, *, fin: bool = True) -> None:
        """Send a frame."""
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 * fin | opcode, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 * fin | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 * fin | opcode, 0x80 | 127, length)
        self.writer.write(head + b"\0\0\0\0" + payload)  # a mask of zeros changes nothing

    async def ended(self) -> bytes:
        """Whatever comes until the engine has ended the connection."""
        got = bytearray()
        async with asyncio.timeout(DEADLINE):
            try:
                while piece := await self.reader.read(1 << 16):
                    got += piece
            except ConnectionError:
                pass
        return bytes(got)


@asynccontextmanager
async def raw(engine: Engine) -> AsyncGenerator[Raw, None]:
    # Who does not call `read` stops reading from the socket beyond twice the limit.
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port, limit=1 << 16)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def bystanders(engine: Engine) -> AsyncGenerator[list[int], None]:
    """A caller and a worker that must not notice what happens; their calls so far."""
    made: list[int] = []
    async with connected(engine.url, "worker") as worker, connected(engine.url, "caller") as caller:

        async def echo(data: Any, frame: Frame) -> Any:
            return data["n"]

        await worker.register("bystander::echo", echo)
        done = asyncio.Event()

        async def go_on() -> None:
            while not done.is_set():
                number = len(made)
                assert await caller.result("bystander::echo", {"n": number}) == number
                made.append(number)
                await asyncio.sleep(0.002)

        async with asyncio.TaskGroup() as group:
            group.create_task(go_on())
            await eventually(lambda: len(made) > 3)
            try:
                yield made
            finally:
                before = len(made)
                await eventually(lambda: len(made) > before + 3)
                done.set()
        assert worker.closed is None
        assert caller.closed is None


INVOKE: Frame = {
    "type": "invokefunction",
    "invocation_id": str(uuid.uuid4()),
    "function_id": "state::get",
    "data": {"scope": "s", "key": "k"},
}


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"  \n ",
        b"\xff\xfe",
        b"{",
        b"null",
        b'{"type": 5}',
        b'{"type": "invokefunction"}',
        b'{"type": "invokefunction", "function_id": "f", "data": NaN}',
        b'{"type": "invokefunction", "function_id": "f", "data": "\\ud800"}',
        b'{"type": "invocationresult", "invocation_id": "x", "function_id": "f"}',
        b"OTLP{}",
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("opcode", [1, 2])
async def test_a_broken_message_changes_nothing(engine: Engine, frame: bytes, opcode: int) -> None:
    async with raw(engine) as client:
        assert "101" in await client.shake_hands()
        client.frame(frame, opcode)
        client.frame(json.dumps({"type": "ping"}).encode())
        answer = await client.reader.readuntil(b'{"type":"pong"}')
        assert b"workerregistered" in answer


@pytest.mark.parametrize(
    "broken",
    [
        b"\x81\x05hello",  # not masked
        b"\xf1\x80\0\0\0\0",  # reserved bits
        b"\x83\x80\0\0\0\0",  # unknown opcode
        b"\x80\x80\0\0\0\0",  # continuation of nothing
        b"\x89\xfe\0\x80\0\0\0\0" + b"x" * 128,  # long ping
        b"\x81\xff" + struct.pack("!Q", (16 << 20) + 1),  # beyond the limit
        b"\x81\xff" + struct.pack("!Q", 1 << 63),
    ],
)
async def test_a_broken_frame_ends_its_connection_alone(engine: Engine, broken: bytes) -> None:
    async with bystanders(engine), raw(engine) as client:
        await client.shake_hands()
        client.writer.write(broken)
        await client.ended()


@pytest.mark.slow
async def test_fragments_are_put_together_up_to_the_limit(engine: Engine) -> None:
    async with raw(engine) as client, connected(engine.url, "reader") as reader:
        await client.shake_hands()
        value = b"x" * (1 << 20)
        start = json.dumps(INVOKE | {"function_id": "state::set"}).encode()
        head, tail = start[:-2] + b', "value": "', b'"}}'
        client.frame(head, fin=False)
        for _ in range(15):
            client.frame(value, 0, fin=False)
        client.frame(tail, 0)
        await client.reader.readuntil(b"invocationresult")
        stored = await reader.result("state::get", {"scope": "s", "key": "k"})
        assert len(stored) == 15 << 20
        client.frame(head, fin=False)
        for _ in range(65):
            client.frame(value, 0, fin=False)
            await asyncio.sleep(0)
        await client.ended()


async def test_requests_that_are_no_upgrade_are_refused(engine: Engine) -> None:
    async with raw(engine) as client:
        client.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"426" in await client.ended()
    async with raw(engine) as client:
        client.writer.write(b"\x16\x03\x01 this is TLS \r\n\r\n")
        await client.ended()


@pytest.mark.parametrize(
    "path",
    ["/nowhere", "//[", "x", "/ws/channels/x?key=y&dir=read", "/ws/channels/?key=%ff&dir", "/%00"],
)
async def test_other_paths_are_not_found(engine: Engine, path: str) -> None:
    async with raw(engine) as client:
        assert "404" in await client.shake_hands(path)


@pytest.mark.parametrize("path", ["/?token=x", "/otel", "/otel?x=y"])
async def test_known_paths_are_served_with_any_query(engine: Engine, path: str) -> None:
    async with raw(engine) as client:
        assert "101" in await client.shake_hands(path)


async def test_telemetry_is_taken_and_ignored(engine: Engine) -> None:
    async with raw(engine) as client:
        await client.shake_hands("/otel")
        for _ in range(50):
            client.frame(b"OTLP" + os.urandom(1000), 2)
        client.frame(b"x", 9)  # a ping, to hear that it is still there
        assert await client.reader.readexactly(3) == b"\x8a\x01x"


async def test_a_web_page_is_refused_with_a_reason(engine: Engine) -> None:
    for origin in ("https://evil.example", "http://127.0.0.1", "null"):
        async with raw(engine) as client:
            assert "403" in await client.shake_hands(more=f"Origin: {origin}\r\n")
            body = await client.ended()
            assert body.count(b"\n") == 1
            assert b"Origin" in body


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: Basic secret\r\n",
        "Authorization: secret\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer secret\r\nAuthorization: Bearer secret\r\n",
        "Authorization: Bearer s\xc3\xa9cret\r\n",
    ],
)
@pytest.mark.parametrize("path", ["/", "/otel", "/ws/channels/x?key=y&dir=read"])
async def test_without_the_token_nobody_gets_in(serving: Serving, header: str, path: str) -> None:
    async with serving(token=SESAME) as engine, raw(engine) as client:
        assert "401" in await client.shake_hands(path, header)
        body = await client.ended()
        assert body.count(b"\n") == 1
        assert b"Authorization: Bearer" in body
        assert b"secret" not in body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_with_the_token_one_gets_in(serving: Serving, scheme: str) -> None:
    async with serving(token=SESAME) as engine:
        headers = {"Authorization": f"{scheme} secret"}
        async with connect(engine.url, additional_headers=headers) as socket:
            assert "workerregistered" in str(await socket.recv())
        with pytest.raises(InvalidStatus):
            await connect(engine.url)


async def test_half_open_handshakes_end(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_socket, "HANDSHAKE_SECONDS", 0.1)
    async with bystanders(engine), raw(engine) as silent, raw(engine) as slow:
        slow.writer.write(b"GET / HTTP/1.1\r\nHost:")
        assert await silent.ended() == b""
        assert await slow.ended() == b""


async def test_half_open_handshakes_do_not_keep_the_engine(serving: Serving) -> None:
    async with serving() as engine, raw(engine) as silent, raw(engine) as slow:
        slow.writer.write(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(0)
        async with asyncio.timeout(_socket.HANDSHAKE_SECONDS / 2):
            await engine.stop()
        await silent.ended()


async def test_endless_headers_end(engine: Engine) -> None:
    async with raw(engine) as client:
        client.writer.write(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000)
        await client.ended()


@pytest.mark.slow
async def test_many_connections(engine: Engine) -> None:
    async with bystanders(engine):
        clients = [Client(engine.url) for _ in range(200)]
        await asyncio.gather(*(client.open() for client in clients))
        await asyncio.gather(
            *(client.introduce(f"n{number}") for number, client in enumerate(clients))
        )
        listed = await clients[0].result("engine::workers::list", {"runtime": "python"})
        assert len(listed["workers"]) == 202
        await asyncio.gather(*(client.abort() for client in clients))


async def _flood(engine: Engine, frames: bytes) -> None:
    """Send as fast as the engine reads, until a bystander has made its calls all the same."""
    async with bystanders(engine) as made, raw(engine) as client, raw(engine) as sink:
        await client.shake_hands()
        await sink.shake_hands()
        sink.frame(b'{"type":"invokefunction","function_id":"engine::workers::register","data":{}}')
        sink.frame(b'{"type":"registerfunction","id":"sink::f"}')

        async def read(from_: Raw) -> None:
            while await from_.reader.read(1 << 20):
                pass

        async def flood() -> None:
            while True:
                client.writer.write(frames)
                await client.writer.drain()

        before = len(made)
        flooding = asyncio.gather(read(client), read(sink), flood())
        try:
            await eventually(lambda: len(made) > before + CALLS)
            assert not flooding.done()
        finally:
            flooding.cancel()
            await asyncio.wait([flooding])


def _framed(message: Frame, times: int) -> bytes:
    payload = json.dumps(message).encode()
    head = struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + b"\0\0\0\0"
    return (head + payload) * times


@pytest.mark.slow
@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"type": "nonsense", "pad": "x" * 200}, id="nonsense"),
        pytest.param({"type": "ping", "pad": "x" * 200}, id="ping"),
        pytest.param(INVOKE, id="served-in-process"),
        pytest.param(INVOKE | {"function_id": "sink::f"}, id="routed"),
        pytest.param(INVOKE | {"function_id": "engine::functions::list"}, id="listing"),
    ],
)
async def test_a_flood_stops_nobody(engine: Engine, message: Frame) -> None:
    await _flood(engine, _framed(message, 500))


@pytest.mark.slow
async def test_who_does_not_read_is_cut_off(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_socket, "HARD_BUFFER", 2 << 20)
    async with bystanders(engine) as made, raw(engine) as deaf, connected(engine.url) as writer:
        await deaf.shake_hands()
        deaf.frame(b'{"type":"invokefunction","function_id":"engine::workers::register","data":{}}')
        deaf.frame(b'{"type":"registerfunction","id":"deaf::watch"}')
        trigger = {"type": "registertrigger", "id": "t", "trigger_type": "state"}
        deaf.frame(json.dumps({**trigger, "function_id": "deaf::watch", "config": {}}).encode())
        deaf.frame(b'{"type":"ping"}')
        await deaf.reader.readuntil(b"pong")

        async def still_there() -> bool:
            listed = await writer.result("engine::functions::list", {"prefix": "deaf::"})
            return bool(listed["functions"])

        before = len(made)
        async with asyncio.timeout(20):
            while await still_there():
                data = {"scope": "s", "key": "k", "value": "x" * 200_000}
                await writer.result("state::set", data)
        assert len(made) > before


@pytest.mark.slow
async def test_who_calls_faster_than_the_other_reads_is_held_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_link, "STALL_SECONDS", 0.3)
    async with bystanders(engine) as made, raw(engine) as deaf, raw(engine) as eager:
        await deaf.shake_hands()
        deaf.frame(b'{"type":"invokefunction","function_id":"engine::workers::register","data":{}}')
        deaf.frame(b'{"type":"registerfunction","id":"deaf::f"}')
        deaf.frame(b'{"type":"ping"}')
        await deaf.reader.readuntil(b"pong")
        await eager.shake_hands()
        call = _framed(
            {
                "type": "invokefunction",
                "function_id": "deaf::f",
                "data": {"pad": "x" * 50_000},
                "action": {"type": "void"},
            },
            1,
        )

        async def call_on() -> None:
            while True:
                eager.writer.write(call)
                await eager.writer.drain()

        before = len(made)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call_on(), 0.25)
        eager.frame(b'{"type":"ping"}')  # answered only once the deaf one has been cut off
        await eager.reader.readuntil(b"pong")
        await eventually(lambda: len(made) > before + CALLS)


async def test_a_client_cannot_answer_for_another(engine: Engine) -> None:
    async with (
        connected(engine.url, "w") as worker,
        connected(engine.url, "c") as caller,
        connected(engine.url, "liar") as liar,
    ):
        answer = asyncio.Event()
        ids: list[str] = []

        async def wait(data: Any, frame: Frame) -> Any:
            ids.append(frame["invocation_id"])
            await answer.wait()
            return "true"

        await worker.register("slow::f", wait)
        call = asyncio.ensure_future(caller.result("slow::f", {}))
        await eventually(lambda: bool(ids))
        lie = {"type": "invocationresult", "invocation_id": ids[0], "function_id": "slow::f"}
        await liar.send({**lie, "result": "lie"})
        await liar.barrier()
        answer.set()
        assert await call == "true"


async def test_two_callers_may_use_one_invocation_id(engine: Engine) -> None:
    async with (
        connected(engine.url, "w") as worker,
        connected(engine.url) as one,
        connected(engine.url) as two,
    ):
        ready = asyncio.Event()

        async def tell(data: Any, frame: Frame) -> Any:
            await ready.wait()
            return data["who"]

        await worker.register("who::f", tell)
        shared = str(uuid.uuid4())
        call = {"type": "invokefunction", "function_id": "who::f", "invocation_id": shared}
        await one.send({**call, "data": {"who": 1}})
        await one.barrier()
        await two.send({**call, "data": {"who": 2}})
        await two.barrier()
        ready.set()
        assert (await one.expect("invocationresult"))["result"] == 1
        assert (await two.expect("invocationresult"))["result"] == 2
