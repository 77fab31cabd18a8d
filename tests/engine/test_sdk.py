"""Unmodified SDKs in processes of their own: what they offer, ask, and bring back."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agentfx.engine import Engine
from tests.engine.client import Client, connected
from tests.engine.conftest import Serving

SCRIPTS = Path(__file__).parent / "sdk"
SESAME = "secret"
OLDEST = "0.24.5"
NODE = "iii-sdk@>=0.22.1 <0.26"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def _install(command: list[str], folder: Path, proof: str) -> Path:
    """Put a package into a folder once; skip where that is not possible."""
    if not (folder / proof).exists():
        try:
            subprocess.run(
                command, cwd=folder, check=True, capture_output=True, text=True, timeout=100
            )
        except (subprocess.SubprocessError, OSError) as error:
            output = getattr(error, "stderr", None) or str(error)
            pytest.skip(f"cannot install the SDK: {output.strip().splitlines()[-1]}")
    return folder


def _folder(config: pytest.Config, temporary: pytest.TempPathFactory, name: str) -> Path:
    """A folder that outlives the session, if there is a cache."""
    cache: pytest.Cache | None = getattr(config, "cache", None)
    return temporary.mktemp(name) if cache is None else cache.mkdir(name)


@pytest.fixture(scope="session")
def oldest_sdk(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _folder(pytestconfig, tmp_path_factory, f"iii-sdk-{OLDEST}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    return _install([*pip, f"iii-sdk=={OLDEST}", f"iii-helpers=={OLDEST}"], folder, "iii_helpers")


@pytest.fixture(scope="session")
def node_sdk(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node or npm is not installed")
    folder = _folder(pytestconfig, tmp_path_factory, "iii-sdk-node")
    (folder / "package.json").write_text('{"private": true}')
    options = ["--no-audit", "--no-fund", "--ignore-scripts"]
    return _install([npm, "install", *options, NODE], folder, "node_modules/iii-sdk")


class Scenario:
    """A script that runs, and what it has told so far."""

    def __init__(self, process: Process, name: str) -> None:
        self._process, self.name = process, name
        self.told: list[tuple[str, Any]] = []

    async def until(self, step: str, number: int = 1) -> Any:
        """Wait until the script has told a step so often; its last value."""
        async with asyncio.timeout(40):
            while len(found := [value for told, value in self.told if told == step]) < number:
                assert self._process.stdout is not None
                line = await self._process.stdout.readline()
                assert line, f"it ended before {step}; it told {self.told}"
                if line.startswith(b'{"step"'):
                    one = json.loads(line)
                    self.told.append((one["step"], one["value"]))
        return found[-1]

    async def end(self) -> int:
        """Have the script end by itself; its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self.until("ended")
        async with asyncio.timeout(20):
            return await self._process.wait()

    def kill(self) -> None:
        """End it the hard way."""
        if self._process.returncode is None:
            self._process.kill()


@asynccontextmanager
async def scenario(
    command: list[str], engine: Engine, home: Path, largest: int = 1 << 20, **environment: str
) -> AsyncGenerator[Scenario, None]:
    name = "worker"
    process = await asyncio.create_subprocess_exec(
        *command,
        engine.url,
        SESAME,
        name,
        str(largest),
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, "HOME": str(home), **environment},
        limit=1 << 24,
    )
    running = Scenario(process, name)
    try:
        yield running
    finally:
        running.kill()
        await process.wait()


PYTHON = [sys.executable, str(SCRIPTS / "scenario.py")]


async def check_the_tour(tour: Scenario, largest: int) -> None:
    """What every SDK sees of state, queues, functions and triggers."""
    await tour.until("ready")
    for step in ("message", "job", "bound"):
        await tour.until(step)
    await tour.until("change", 2)
    told = dict(tour.told)
    changes = [value for step, value in tour.told if step == "change"]
    assert [change["event_type"] for change in changes] == ["state:created", "state:updated"]
    del told["change"], told["ready"]
    assert told == {
        "bound": f"{tour.name}::echo",
        "echo": ["_caller_worker_id", "by", "n"],
        "failed": "invocation_failed",
        "unknown": "function_not_found",
        "set": {"old_value": None, "new_value": {"n": 1}},
        "updated": {"old_value": {"n": 1}, "new_value": {"n": 3}},
        "got": {"n": 3},
        "missing": None,
        "listed": [{"n": 3}],
        "published": None,
        "message": {"m": 1},
        "receipt": ["messageReceiptId"],
        "job": {"j": 1},
        "big": largest,
    }


async def check_from_outside(tour: Scenario, engine: Engine) -> None:
    """What others see of the SDK's worker."""
    async with connected(engine.url, "outside", token=SESAME) as client:
        answer = await client.result(f"{tour.name}::echo", {"n": 2})
        assert (answer["by"], answer["n"]) == (tour.name, 2)
        asked = {"function_id": f"{tour.name}::echo"}
        info = await client.result("engine::functions::info", asked)
        assert info["worker_name"] == tour.name
        assert info["description"] == "Echoes"
        listed = await client.result("engine::workers::list", {})
        assert tour.name in {worker["name"] for worker in listed["workers"]}
        mine = {"trigger_type": "durable:subscriber"}
        triggers = await client.result("engine::registered-triggers::list", mine)
        assert [one["worker_name"] for one in triggers["registered_triggers"]] == [tour.name]


async def until_back(client: Client, function_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            if "error" not in await client.call(function_id, {}):
                return
            await asyncio.sleep(0.05)


async def check_the_return(tour: Scenario, engine: Engine) -> None:
    """After the engine was away the worker is back, with everything that it had offered."""
    async with connected(engine.url, "outside", token=SESAME) as client:
        topic = {"topic": f"{tour.name}-topic", "data": {"m": 2}}
        await client.result("iii::durable::publish", topic)  # perhaps before the worker is back
        await until_back(client, f"{tour.name}::echo")
        assert await tour.until("message", 2) == {"m": 2}
        job = {"j": 2}
        action = {"type": "enqueue", "queue": "default"}
        await client.result(f"{tour.name}::job", job, action=action)
        assert await tour.until("job", 2) == job
        assert await client.result("state::get", {"scope": tour.name, "key": "k"}) == {"n": 3}
        await client.result("state::set", {"scope": tour.name, "key": "k", "value": 9})
        assert (await tour.until("change", 3))["new_value"] == 9
        await tour.until("bound", 2)


async def check_the_death(tour: Scenario, engine: Engine) -> None:
    """Callers hear at once that a worker was killed."""
    async with connected(engine.url, "outside2", token=SESAME) as client:
        call = asyncio.ensure_future(client.call(f"{tour.name}::hang", {}))
        await tour.until("hanging")
        tour.kill()
        assert (await call)["error"]["code"] == "invocation_stopped"
        gone = await client.call(f"{tour.name}::echo", {})
        assert gone["error"]["code"] == "function_not_found"


async def check_everything(
    serving: Serving, tmp_path: Path, command: list[str], largest: int, **env: str
) -> None:
    async with serving(token=SESAME) as engine:
        port = engine.port
        async with scenario(command, engine, tmp_path, largest, **env) as tour:
            await check_the_tour(tour, largest)
            await check_from_outside(tour, engine)
            await engine.stop()
            await engine.start()
            assert engine.port == port
            await check_the_return(tour, engine)
            assert await tour.end() == 0
        async with scenario(command, engine, tmp_path, largest, **env) as tour:
            await tour.until("ready")
            await check_the_death(tour, engine)


async def test_the_newest_python_sdk(serving: Serving, tmp_path: Path) -> None:
    await check_everything(serving, tmp_path, PYTHON, 17 << 20)


async def test_the_oldest_python_sdk(serving: Serving, tmp_path: Path, oldest_sdk: Path) -> None:
    environment = {"PYTHONPATH": str(oldest_sdk)}
    await check_everything(serving, tmp_path, PYTHON, 15 << 20, **environment)


async def test_the_node_sdk(serving: Serving, tmp_path: Path, node_sdk: Path) -> None:
    script = shutil.copy(SCRIPTS / "scenario.mjs", node_sdk / "scenario.mjs")
    await check_everything(serving, tmp_path, ["node", str(script)], 3 << 20)


async def test_an_sdk_with_the_wrong_token_gets_nowhere(serving: Serving, tmp_path: Path) -> None:
    async with serving(token="other") as engine:  # noqa: S106
        async with scenario(PYTHON, engine, tmp_path) as tour:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tour.until("echo"), 1)
        async with connected(engine.url, "outside", token="other") as client:  # noqa: S106
            listed = await client.result("engine::workers::list", {"runtime": "python"})
            assert [worker["name"] for worker in listed["workers"]] == ["outside"]
