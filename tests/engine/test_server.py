"""Starting, stopping, restarting; channels."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agentfx.engine import Engine, EngineError, PortInUseError, _channels
from tests.engine.client import Client, connected


async def test_it_listens_on_loopback_only(engine: Engine) -> None:
    assert engine.url == f"ws://127.0.0.1:{engine.port}"
    assert engine.port > 0


async def test_beyond_loopback_it_wants_a_token() -> None:
    with pytest.raises(EngineError, match="needs a token"):
        await Engine(host="0.0.0.0").start()  # noqa: S104 - refused


async def test_a_port_in_use_is_an_error_of_its_own(engine: Engine) -> None:
    other = Engine(port=engine.port)
    with pytest.raises(PortInUseError, match=f"port {engine.port} on 127.0.0.1 is in use") as error:
        await other.start()
    assert (error.value.host, error.value.port) == ("127.0.0.1", engine.port)
    await other.stop()


async def test_an_address_that_is_none_is_an_error() -> None:
    with pytest.raises(EngineError, match="cannot listen"):
        await Engine(host="192.0.2.1", token="t").start()  # noqa: S106


async def test_it_may_be_started_again_on_its_port() -> None:
    engine = Engine()
    await engine.start()
    port = engine.port
    for _ in range(3):
        client = Client(engine.url)
        await client.open()
        await engine.stop()
        assert (await client.until_closed())[0] == 1006  # dropped, as by the reference
        await client.close()
        await engine.start()
        assert engine.port == port
    await engine.stop()
    await engine.stop()


async def test_small_answers_are_not_held_back(engine: Engine) -> None:
    async with connected(engine.url):
        (accepted,) = engine._sockets
        link = accepted._transport.get_extra_info("socket")
        # With Nagle's algorithm a second small frame waits for an acknowledgement: 40 ms.
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_ipv6_loopback() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    engine = Engine(host="::1")
    await engine.start()
    try:
        async with connected(engine.url) as client:
            rows = await client.result("engine::workers::list", {})
            assert rows["workers"]
    finally:
        await engine.stop()


async def test_a_client_may_say_goodbye(engine: Engine) -> None:
    async with connected(engine.url, "w") as client:
        await client.close()
        assert client.closed == (1000, "")
    async with connected(engine.url, "w"):  # the name is free again
        pass


async def make_channel(client: Client, size: int | None = None) -> tuple[str, str]:
    """The paths of the two ends of a new channel."""
    made = await client.result("engine::channels::create", {"buffer_size": size})

    def path(end: dict[str, str]) -> str:
        return f"/ws/channels/{end['channel_id']}?key={end['access_key']}&dir={end['direction']}"

    return path(made["writer"]), path(made["reader"])


@asynccontextmanager
async def end(engine: Engine, path: str) -> AsyncGenerator[ClientConnection, None]:
    async with connect(engine.url + path, max_size=None, compression=None) as socket:
        yield socket


async def test_a_channel_carries_messages_of_both_kinds_in_order(engine: Engine) -> None:
    messages: list[Any] = ["text", b"bytes", "", b"", "ü", b"x" * 100_000]
    async with connected(engine.url) as client:
        for reader_first in (True, False):
            write, read = await make_channel(client)
            paths = (read, write) if reader_first else (write, read)
            async with end(engine, paths[0]) as one, end(engine, paths[1]) as two:
                reader, writer = (one, two) if reader_first else (two, one)
                for message in messages:
                    await writer.send(message)
                assert [await reader.recv() for _ in messages] == messages
                await writer.close()
                with pytest.raises(ConnectionClosed):
                    await reader.recv()


async def test_a_channel_keeps_what_was_written_before_the_reader_came(engine: Engine) -> None:
    async with connected(engine.url) as client:
        write, read = await make_channel(client)
        async with end(engine, write) as writer:
            for number in range(30):
                await writer.send(str(number))
        async with end(engine, read) as reader:
            assert [await reader.recv() for _ in range(30)] == [str(n) for n in range(30)]


@pytest.mark.slow
async def test_a_writer_waits_for_a_slow_reader(engine: Engine) -> None:
    messages, piece = 300, b"x" * (1 << 18)
    async with connected(engine.url) as client:
        write, read = await make_channel(client, 4)
        sent = 0
        async with end(engine, write) as writer, end(engine, read) as reader:
            reader.transport.pause_reading()

            async def write_all() -> None:
                nonlocal sent
                for _ in range(messages):
                    await writer.send(piece)
                    sent += 1

            writing = asyncio.ensure_future(write_all())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(writing), 0.5)
            assert sent < messages / 2
            reader.transport.resume_reading()
            for _ in range(messages):
                assert await reader.recv() == piece
            await writing


async def test_an_end_is_given_once(engine: Engine) -> None:
    async with connected(engine.url) as client:
        write, read = await make_channel(client)
        async with end(engine, write), end(engine, write) as second:
            with pytest.raises(ConnectionClosed):
                await second.recv()
            async with end(engine, read) as reader:
                await reader.close()
            with pytest.raises(InvalidStatus, match="404"):  # the channel is no more
                async with end(engine, read):
                    pass


async def test_a_writer_hears_that_its_reader_is_gone(engine: Engine) -> None:
    async with connected(engine.url) as client:
        write, read = await make_channel(client)
        async with end(engine, write) as writer:
            async with end(engine, read) as reader:
                await writer.send("x")
                await reader.recv()
            with pytest.raises(ConnectionClosed):
                await writer.recv()


async def test_a_key_opens_one_end_only(engine: Engine) -> None:
    async with connected(engine.url) as client:
        write, read = await make_channel(client)
        for wrong in (
            write.replace("dir=write", "dir=read"),
            read.replace("dir=read", "dir=write"),
            write.replace("dir=write", "dir=both"),
            write[:-1].rsplit("&", 1)[0],
            read + "x",
        ):
            with pytest.raises(InvalidStatus, match="404"):
                async with end(engine, wrong):
                    pass


async def test_channels_that_nobody_uses_are_forgotten(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_channels, "MAX_CHANNELS", 2)
    async with connected(engine.url) as client:
        paths = [(await make_channel(client))[0] for _ in range(3)]
        with pytest.raises(InvalidStatus, match="404"):
            async with end(engine, paths[0]):
                pass
        async with end(engine, paths[2]):
            pass
        monkeypatch.setattr(_channels, "UNUSED_SECONDS", -1)
        await make_channel(client)
        with pytest.raises(InvalidStatus, match="404"):
            async with end(engine, paths[1]):
                pass
