"""Which processes there are, who finds them, and that none outlives what it belongs to."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import agentfx as fx
from agentfx.backends import CallError
from agentfx.cluster import EngineOptions, Found, Home, ServicesOptions, WorkerOptions
from agentfx.cluster._home import Discovery, HomeError
from agentfx.testing._tasks import double
from tests.waiting import eventually, is_alive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]
SLOW_SECONDS = 60.0


@fx.task("processes::blocks")
async def blocks(began: str, go_on: str) -> int:
    """Blocks the loop that it runs on, as code of users may."""
    Path(began).touch()  # noqa: ASYNC240
    while not Path(go_on).exists():  # noqa: ASYNC240
        time.sleep(0.01)  # noqa: ASYNC251
    return 1


@fx.action("processes::once")
async def once() -> int:
    return 2


USER = """
import asyncio, sys
import agentfx as fx

async def main():
    async with fx.local(workers=1, home=sys.argv[1]):
        print("there", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116


async def user(home: str) -> asyncio.subprocess.Process:
    """Another process that uses the cluster of a home."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", USER, home, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()) == b"there\n"
    return process


def family(status: dict[str, Any]) -> list[psutil.Process]:
    """Supervisor, fork server, engine and workers."""
    supervisor = psutil.Process(status["supervisor"])
    return [supervisor, *supervisor.children(recursive=True)]


async def test_the_discovery_file_is_its_owners_alone_and_names_what_runs(own_home: str) -> None:
    async with fx.local(workers=0, home=own_home) as cluster:
        path = Path(own_home) / "cluster.json"
        found = json.loads(path.read_text())
        assert (found["url"], found["token"]) == (cluster.url, cluster.token)
        assert found["pid"] == (await cluster.status())["supervisor"]
        modes = [mode(path), mode(own_home), mode(found["control"])]
        assert modes == [0o600, 0o700, 0o600]
        async with fx.connect(home=own_home) as other:
            assert other.url == cluster.url
    await eventually(lambda: not path.exists())


async def test_what_a_cluster_writes_is_its_owners_alone_in_any_folder(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)  # noqa: PTH101, S103
    async with fx.local(workers=0, home=str(tmp_path)):
        names = ["cluster.json", "engine.json", "cluster.log", *_store_files(tmp_path)]
        assert {name: mode(tmp_path / name) for name in names} == dict.fromkeys(names, 0o600)
        assert "store.db-wal" in names


def _store_files(home: Path) -> list[str]:
    return [path.name for path in home.glob("store.db*") if path.suffix != ".lock"]


async def test_an_ended_cluster_has_nothing_to_complain_of(own_home: str) -> None:
    async with fx.local(workers=0, home=own_home) as cluster:
        supervisor = psutil.Process((await cluster.status())["supervisor"])
    await eventually(lambda: not is_alive(supervisor))
    assert "Traceback" not in Home(Path(own_home)).log.read_text()


def test_what_holds_a_token_does_not_print_it() -> None:
    token = "never-shown"  # noqa: S105
    holders: list[object] = [
        Discovery("ws://x", token, 1, 0.0, "there.sock"),
        Found("ws://x", token, "given", None),
        WorkerOptions("w1", "ws://x", token),
        EngineOptions("home", 1, token),
        ServicesOptions("home", "ws://x", token),
    ]
    assert token not in repr(holders)


def test_a_home_of_somebody_else_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    born = psutil.Process().create_time()
    home.announce(Discovery("ws://127.0.0.1:1", "theirs", os.getpid(), born, "there.sock"))
    assert home.find() is not None
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert home.find() is None
    with pytest.raises(HomeError, match="belongs to somebody else: give another --home"):
        home.make()


def test_a_home_that_anybody_may_write_into_is_none(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(HomeError, match=r"anybody may write into .*: `chmod o-w"):
        Home(tmp_path).make()


async def test_a_discovery_file_of_a_dead_cluster_finds_nothing(own_home: str) -> None:
    async with fx.local(workers=0, home=own_home) as cluster:
        processes = family(await cluster.status())
        processes[0].kill()
        await eventually(lambda: not any(map(is_alive, processes)))
    assert (Path(own_home) / "cluster.json").exists()
    assert Home(Path(own_home)).find() is None
    async with fx.local(workers=0, home=own_home) as again:  # the next one starts afresh
        assert await fx.run_dist(fx.succeed(1), backend=again) == fx.Ok(1)


async def test_port_and_token_stay_across_lives_of_a_cluster(own_home: str) -> None:
    async with fx.local(workers=0, home=own_home) as cluster:
        before = cluster.url, cluster.token
        await cluster.kill_engine()
        assert await fx.run_dist(fx.succeed(1), backend=cluster) == fx.Ok(1)
        assert (cluster.url, cluster.token) == before
        processes = family(await cluster.status())
    await eventually(lambda: not any(map(is_alive, processes)))
    async with fx.local(workers=0, home=own_home) as cluster:
        assert (cluster.url, cluster.token) == before


async def test_a_cluster_ends_some_time_after_its_only_user_was_killed(own_home: str) -> None:
    process = await user(own_home)
    async with fx.local(workers=0, home=own_home) as cluster:
        processes = family(await cluster.status())
        assert len(processes) >= 4
    assert all(map(is_alive, processes))  # the other user is still there
    process.kill()
    await process.wait()
    await eventually(lambda: not any(map(is_alive, processes)), SLOW_SECONDS)


async def test_a_user_who_comes_back_in_time_finds_the_cluster(own_home: str) -> None:
    process = await user(own_home)
    async with fx.local(workers=0, home=own_home) as cluster:
        supervisor = (await cluster.status())["supervisor"]
    process.kill()
    await process.wait()
    async with fx.local(workers=0, home=own_home) as again:
        assert (await again.status())["supervisor"] == supervisor
        assert {row["label"] for row in await again.workers()} == {"w1"}


@pytest.mark.parametrize("victim", ["supervisor", "fork server", "terminated"])
async def test_nobody_outlives_the_supervisor_or_the_fork_server(
    own_home: str, victim: str
) -> None:
    async with fx.local(workers=2, home=own_home) as cluster:
        processes = family(await cluster.status())
        children = processes[0].children()
        assert len(children) == 1  # the fork server, which has all others
        number = signal.SIGTERM if victim == "terminated" else signal.SIGKILL
        os.kill(children[0].pid if victim == "fork server" else processes[0].pid, number)
        await eventually(lambda: not any(map(is_alive, processes)), SLOW_SECONDS)


async def test_a_worker_that_was_killed_is_started_again(own_home: str) -> None:
    async with fx.local(workers=1, home=own_home) as cluster:
        (row,) = await cluster.workers()
        os.kill(row["pid"], signal.SIGKILL)
        rows = [row]
        async with asyncio.timeout(SLOW_SECONDS):
            # It may be listed a moment longer, alone or beside the new one, or nobody is.
            while len(rows) != 1 or rows[0]["id"] == row["id"]:
                rows = await cluster.workers()
        (again,) = rows
        assert again["label"] == "w1"
        assert again["pid"] != row["pid"]  # an incarnation's id is never used again either


async def test_a_worker_refuses_services_of_an_earlier_life(own_home: str) -> None:
    async with fx.local(workers=1, home=own_home) as cluster:
        await cluster.kill_engine()
        assert await fx.run_dist(double(1), backend=cluster) == fx.Ok(2)  # it is back
        (row,) = await cluster.workers()
        function_id = f"agentfx::exec::{row['id']}"

        async def ask_on() -> None:
            while True:  # until the worker has heard the answer to its hello
                await cluster.connection.call(function_id, {"gen": 1, "ping": True})

        with pytest.raises(CallError, match="services of generation 2 took over"):
            await ask_on()
        for generation in (99, 2):  # what anybody else says of generations counts for nothing
            said: Any = {"gen": generation, "ping": True}
            assert (await cluster.connection.call(function_id, said)).keys() == {"held"}


async def test_a_task_that_blocks_its_loop_lets_its_worker_answer(
    own_home: str, tmp_path: Path
) -> None:
    began, go_on = tmp_path / "began", tmp_path / "go on"
    async with fx.local(workers=1, home=own_home) as cluster:
        run = await fx.start(blocks(str(began), str(go_on)), backend=cluster)
        await eventually(began.exists)
        beside = await fx.start(once(), backend=cluster)
        async for event in beside.events():
            if event.type == "job_started":
                break
        (row,) = await cluster.workers()
        for _ in range(3):
            answer = await cluster.connection.call(
                f"agentfx::exec::{row['id']}", {"gen": 1, "ping": True}
            )
            # What waits for the loop is held as well: an action that is not counts as lost.
            assert len(answer["held"]) == 2
        go_on.touch()
        assert await run.result() == fx.Ok(1)
        assert await beside.result() == fx.Ok(2)


TWO_AT_ONCE = """
import json
from agentfx.cluster._fork_server import start_fork_server

server = start_fork_server()
server.channel.settimeout(20)
requests = [{"id": number, "kind": "none such", "options": {}} for number in (1, 2)]
server.channel.sendall("".join(json.dumps(one) + "\\n" for one in requests).encode())
heard = [json.loads(line) for _, line in zip(range(4), server.channel.makefile())]
print(sorted(one["forked"] for one in heard if "forked" in one))
"""


def test_requests_for_processes_that_come_together_are_all_served() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "[1, 2]\n"), ran.stderr
