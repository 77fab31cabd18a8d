"""A connection comes back however long it takes; one that nobody wants leaves nothing behind."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from agentfx._clock import SystemClock
from agentfx.backends import Connection, LinkLostError
from agentfx.engine import Engine
from tests.foreign.conftest import SESAME
from tests.waiting import DEADLINE_SECONDS, eventually

pytestmark = pytest.mark.slow


def _kept() -> set[threading.Thread]:
    """Threads that keep a process from ending."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


async def test_one_that_is_cancelled_while_it_connects_ends_its_thread(
    bare: Engine, client: Connection
) -> None:
    await client.close()
    before = _kept()  # what is there from now on
    connecting = asyncio.ensure_future(Connection.connect(bare.url, SESAME, "second"))
    await eventually(lambda: {t for t in _kept() - before if "run_forever" in t.name})
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert not {thread for thread in _kept() - before if "run_forever" in thread.name}


async def test_it_comes_back_after_more_tries_than_a_float_can_count(
    bare: Engine, client: Connection
) -> None:
    await bare.stop()
    await eventually(lambda: not client.is_open)
    sdk = client._client
    sdk._reconnection_config.max_delay_ms = 20
    sdk._reconnect_attempt = 1100  # as after a third of an hour
    await eventually(lambda: sdk._reconnect_attempt > 1102)
    await bare.start()
    await eventually(lambda: client.is_open)


async def test_a_call_whose_link_closes_as_it_is_handed_over_hears_so(
    client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over, lost = client._hand_over, threading.Event()
    client.on_change(lambda is_open: None if is_open else lost.set())

    def and_lose(callback: Callable[..., None], *arguments: Any) -> bool:
        handed = hand_over(callback, *arguments)
        client.call_soon(client._client._ws.transport.abort)
        assert lost.wait(DEADLINE_SECONDS)
        return handed

    monkeypatch.setattr(client, "_hand_over", and_lose)
    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(LinkLostError):
            await client.call("engine::functions::list", {})


async def test_a_call_that_is_cancelled_as_its_link_closes_is_cancelled(
    client: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.serve("tests::silent", _silent)
    await client.served("tests::silent", SystemClock())
    calling = asyncio.ensure_future(client.call("tests::silent", {}))
    await eventually(lambda: client._calls)
    settle, settled = client._settle, threading.Event()

    def and_say(call: Any, value: Any, error: BaseException | None) -> None:
        settle(call, value, error)
        settled.set()

    monkeypatch.setattr(client, "_settle", and_say)
    client.call_soon(client._void_calls)  # as when the link closes
    assert settled.wait(DEADLINE_SECONDS)
    # Our loop hears first that the link is lost, but who calls has not gone on yet.
    asyncio.get_running_loop().call_soon(calling.cancel)
    with pytest.raises(asyncio.CancelledError):
        await calling


async def _silent(data: Any) -> Any:
    await asyncio.Event().wait()
