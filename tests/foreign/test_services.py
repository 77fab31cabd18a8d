"""Services beside what an engine has already: names, owners, and the mistakes one can make."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import agentfx as fx
from agentfx._clock import SystemClock
from agentfx.backends import CallError, Connection, ConnectionFailedError
from agentfx.cluster import ServicesOptions
from agentfx.cluster._options import INFO, SERVED
from agentfx.cluster._services_process import ServedError, serve
from agentfx.engine import Engine
from agentfx.interpreters import BackendLostError
from agentfx.services import SqliteStore, StoreLockedError
from tests.faults.jobs import work
from tests.foreign.conftest import SESAME, Address
from tests.foreign.process import serving
from tests.services.kit import broken
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
CLOCK = SystemClock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the services have their store."""
    return tmp_path / "services"


async def _there(client: Connection, *functions: str) -> None:
    for function_id in functions or ("agentfx::services::info", "engine::queue::enqueue"):
        await client.served(function_id, CLOCK)


async def _gone(client: Connection, function_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.call(function_id, {})
            except CallError as error:
                if error.code == "function_not_found":
                    return
            await asyncio.sleep(0.02)


async def test_an_engine_without_state_and_queues_gets_them(
    bare: Engine, client: Connection, home: Path
) -> None:
    async with serving(bare.url, SESAME, home):
        await _there(client, "state::list_groups", "engine::queue::dlq_messages")
        key = {"scope": "s", "key": "k"}
        assert await client.call("state::set", {**key, "value": 1}) == {
            "old_value": None, "new_value": 1,
        }  # fmt: skip
        assert await client.call("state::get", key) == 1
        assert await client.call("agentfx::state::get", key) == 1
        with pytest.raises(CallError, match="deserialization_error"):
            await client.call("state::get", {})
    await _gone(client, "state::get")
    await _gone(client, "agentfx::state::get")


async def test_topics_and_their_subscribers_survive_a_restart_of_the_services(
    bare: Engine, client: Connection, home: Path
) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def hear(data: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, data)

    client.serve("somebody::hears", hear)
    client.bind("durable:subscriber", "somebody::hears", {"topic": "news"})
    for message in (1, 2):
        async with serving(bare.url, SESAME, home):
            await _there(client)
            await client.call("iii::durable::publish", {"topic": "news", "data": message})
            async with asyncio.timeout(20):
                while await heard.get() != message:  # stopped before a delivery was on record
                    pass
        await _gone(client, "agentfx::services::info")


async def test_a_watcher_hears_of_changes_of_the_state(
    bare: Engine, client: Connection, home: Path
) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def hear(event: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, event["new_value"])

    client.serve("somebody::sees", hear)
    async with serving(bare.url, SESAME, home):
        await _there(client, "state::list_groups")
        trigger: Any = {"trigger_type": "state", "function_id": "somebody::sees", "config": {}}
        await client.call("engine::register_trigger", trigger)
        await client.call("state::set", {"scope": "s", "key": "k", "value": 5})
        async with asyncio.timeout(20):
            assert await heard.get() == 5


async def test_a_job_in_a_named_queue_waits_for_its_function(
    bare: Engine, client: Connection, home: Path
) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    message = {
        "queue": "default", "function_id": "somebody::later", "data": {"n": 1},
        "messageReceiptId": "r",
    }  # fmt: skip

    async def later(data: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, data["n"])

    async with serving(bare.url, SESAME, home):
        await _there(client)
        await client.call("engine::queue::enqueue", message)
        client.serve("somebody::later", later)
        async with asyncio.timeout(30):
            assert await heard.get() == 1


async def test_a_durable_call_finds_its_function_that_another_worker_has_taken_over(
    bare: Engine, client: Connection, own_home: str
) -> None:
    async def silent(data: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    async def answer(data: Any) -> int:
        return 7

    asked = threading.Event()
    client.serve("somebody::moves", silent)
    await client.served("somebody::moves", CLOCK)
    async with fx.local(0, url=bare.url, token=SESAME, home=own_home) as cluster:
        call = fx.remote("somebody::moves", replayable=True)()
        run = await fx.start(call, backend=cluster)
        await eventually(asked.is_set)
        await client.close()
        other = await Connection.connect(bare.url, SESAME, "another")
        other.serve("somebody::moves", answer)  # before anybody has looked who serves what
        assert await run.result() == fx.Ok(7)
        await other.close()


async def test_names_of_others_are_left_alone(bare: Engine, client: Connection, home: Path) -> None:
    async def theirs(data: Any) -> str:
        return "theirs"

    client.serve("state::get", theirs)
    await client.served("state::get", CLOCK)
    async with serving(bare.url, SESAME, home):
        await _there(client, "agentfx::state::get", "engine::queue::enqueue")
        assert await client.call("state::get", {}) == "theirs"
        key = {"scope": "s", "key": "k"}
        with pytest.raises(CallError, match="function_not_found"):
            await client.call("state::set", {**key, "value": 1})
        await client.call("agentfx::state::set", {**key, "value": 1})
        assert await client.call("agentfx::state::get", key) == 1
    assert await client.call("state::get", {}) == "theirs"


async def test_a_task_whose_id_somebody_has_stays_theirs(
    bare: Engine, client: Connection, own_home: str, tmp_path: Path
) -> None:
    async def theirs(data: Any) -> str:
        return "theirs"

    client.serve(work.id, theirs)
    await client.served(work.id, CLOCK)
    async with fx.local(1, url=bare.url, token=SESAME, home=own_home) as cluster:
        log = str(tmp_path / "log")
        exit_ = await fx.run_dist(work(log, 3, 0.0), backend=cluster)
        assert exit_ == fx.Ok(9)  # a job is not a call of that function
        assert await client.call(work.id, {}) == "theirs"
        client.withdraw(work.id)
        await _gone(client, work.id)
        await client.served(work.id, CLOCK)  # now that it is free, the services take it
        assert await client.call(work.id, {"log": log, "n": 4, "seconds": 0.0}) == 16


async def test_second_services_say_so(bare: Engine, client: Connection, home: Path) -> None:
    async with serving(bare.url, SESAME, home):
        await _there(client)
        with pytest.raises(ServedError) as caught:
            await serve(_options(bare, home.with_name("second")), asyncio.Event())
    assert str(caught.value) == (
        f"the engine at {bare.url} has agentfx services already, with the store "
        f"{home / 'store.db'}: use them, or stop them first"
    )


def _options(bare: Engine, home: Path, token: str = SESAME) -> ServicesOptions:
    return ServicesOptions(str(home), bare.url, token)


async def test_services_that_were_overtaken_stop(address: Address, home: Path) -> None:
    leave = asyncio.Event()
    options = ServicesOptions(str(home), address.url, address.token)
    running = asyncio.ensure_future(serve(options, leave))
    other = await Connection.connect(address.url, address.token, "overtaker")
    try:
        await _there(other, INFO)
        other.serve(INFO, _overtaken)
        if await _is_overtaken(other):  # by engines before 0.23
            assert await running == SERVED
        else:
            leave.set()
            assert await running == 0
    finally:
        await other.close()


async def _overtaken(data: Any) -> str:
    return "overtaken"


async def _is_overtaken(other: Connection) -> bool:
    """Whether the engine has given the overtaker what it asked for, or has refused it."""
    await other.call("engine::functions::list", {})  # whatever was sent before is done by now
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while await other.call(INFO, {}) != "overtaken":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            return True
    return False


async def test_the_embedded_engine_has_services_of_its_own(cluster: fx.Cluster, home: Path) -> None:
    options = ServicesOptions(str(home), cluster.url, cluster.token)
    with pytest.raises(ServedError, match="has agentfx services already, its own: use them"):
        await serve(options, asyncio.Event())


async def test_services_that_do_not_answer_are_waited_for(
    bare: Engine, client: Connection, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def silent(data: Any) -> None:
        loop.call_soon_threadsafe(asked.set)
        await asyncio.Event().wait()

    client.serve("agentfx::services::info", silent)
    await client.served("agentfx::services::info", CLOCK)
    async with serving(bare.url, SESAME, home):
        await asked.wait()
        await client.close()  # the engine lets go of what it had
        async with fx.connect(bare.url, token=SESAME) as other:
            assert (await other.request("services::info", {}))["generation"] == 1


async def test_a_store_that_is_open_elsewhere(bare: Engine, home: Path) -> None:
    home.mkdir()  # noqa: ASYNC240
    store = SqliteStore(home / "store.db", broken)
    try:
        with pytest.raises(StoreLockedError, match=r"store\.db is open in another engine"):
            await serve(_options(bare, home), asyncio.Event())
    finally:
        store.close()


async def test_no_engine(bare: Engine, home: Path) -> None:
    await bare.stop()
    with pytest.raises(ConnectionFailedError, match="no engine answers at ws://"):
        await serve(_options(bare, home), asyncio.Event())


async def test_a_wrong_token(bare: Engine, home: Path) -> None:
    with pytest.raises(ConnectionFailedError, match="refuses the token"):
        await serve(_options(bare, home, "wrong"), asyncio.Event())


async def test_an_engine_without_services_says_how_to_start_them(
    bare: Engine, tmp_path: Path
) -> None:
    async with fx.connect(bare.url, token=SESAME) as backend:
        with pytest.raises(BackendLostError) as caught:
            await fx.run_dist(work(str(tmp_path / "log"), 3, 0.0), backend=backend)
    assert f"`agentfx services --url {bare.url}`" in str(caught.value)


async def test_a_home_is_on_one_engine(bare: Engine, shared_home: Path) -> None:
    with pytest.raises(fx.ClusterError, match=r"is on ws://.*, not on"):
        async with fx.local(0, url=bare.url, token=SESAME, home=str(shared_home)):
            pass


async def test_the_token_is_in_no_command_line(bare: Engine, own_home: str) -> None:
    async with fx.local(1, url=bare.url, token=SESAME, home=own_home) as cluster:
        supervisor = psutil.Process((await cluster.status())["supervisor"])
        lines = [p.cmdline() for p in (supervisor, *supervisor.children(recursive=True))]
    assert len(lines) >= 3
    assert not [line for line in lines if any(SESAME in word for word in line)]


async def test_the_last_user_ends_the_services_and_not_the_engine(
    bare: Engine, client: Connection, own_home: str
) -> None:
    async with fx.local(0, url=bare.url, token=SESAME, home=own_home) as cluster:
        assert (await cluster.status())["engine"] is None
        assert await client.call("agentfx::services::info", {})
    await _gone(client, "agentfx::services::info")
    assert client.is_open
