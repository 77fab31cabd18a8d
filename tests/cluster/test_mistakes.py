"""Mistakes of whoever starts an engine, a worker or a cluster: one line each, nothing lost."""

import asyncio
import os
import platform
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import agentfx as fx
from agentfx.cluster import ControlError
from agentfx.cluster._port import free_port
from tests.cluster.command import Command

pytestmark = pytest.mark.slow


@pytest.fixture
def agentfx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(tmp_path, monkeypatch, capsys)


@dataclass
class Alone:
    """An engine that was started by itself, in a home of its own."""

    home: str
    url: str
    token: str

    @property
    def options(self) -> tuple[str, ...]:
        return ("--url", self.url, "--token", self.token)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    home = str(tmp_path_factory.mktemp("alone") / "home")
    environment = {k: v for k, v in os.environ.items() if k != "III_TOKEN"}
    command = [sys.executable, "-m", "agentfx", "engine", "--home", home, "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        url, token = (part.partition("=")[2] for part in engine.stdout.readline().split()[1:])
        yield Alone(home, url, token)
        engine.send_signal(signal.SIGTERM)
        assert engine.wait() == 0


@pytest.mark.parametrize("command", ["ps", "runs", "cancel r", "worker --name w1"])
def test_no_engine(agentfx: Command, command: str) -> None:
    line = agentfx.refused(*command.split())
    assert line.startswith("no cluster runs in ")
    assert "`agentfx up`" in line


def test_an_engine_that_does_not_answer(agentfx: Command) -> None:
    line = agentfx.refused("ps", "--url", "ws://127.0.0.1:1")
    assert line.startswith("no engine answers at ws://127.0.0.1:1")
    assert line.endswith("`agentfx up` starts one in this folder")
    assert "no cluster runs in" in agentfx.refused("down")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1:1", "here"])
def test_an_address_that_is_none(agentfx: Command, url: str) -> None:
    line = agentfx.refused("ps", "--url", url)
    assert line == f"{url} is no address of an engine: write it as ws://127.0.0.1:49134"


def test_what_answers_is_no_engine(agentfx: Command) -> None:
    def hang_up() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=hang_up)
        answering.start()
        line = agentfx.refused("ps", "--url", f"ws://127.0.0.1:{server.getsockname()[1]}")
        answering.join()
    assert "is no iii engine (HTTP 404)" in line


def test_a_wrong_token(agentfx: Command, alone: Alone) -> None:
    for variables in ({}, {"III_TOKEN": "guessed"}):
        line = agentfx.refused("ps", III_URL=alone.url, **variables)
        assert "refuses the token: give --token or III_TOKEN" in line
    said = agentfx("ps", III_URL=alone.url, III_TOKEN=alone.token)
    assert (said.status, said.lines) == (0, [])


def test_services_of_another_version(
    agentfx: Command, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentfx.cluster._cluster.version", {"agentfx-kit": "99.0"}.__getitem__)
    said = agentfx.refused("runs", "--url", alone.url, "--token", alone.token)
    assert said == (
        f"the services at {alone.url} are of agentfx {version('agentfx-kit')}, this is 99.0: end "
        "them (a cluster by `agentfx down`) and start them anew, or use their version here"
    )


@pytest.mark.parametrize("command", ["engine", "up"])
def test_a_store_that_another_engine_has(agentfx: Command, alone: Alone, command: str) -> None:
    line = agentfx.refused(command, "--home", alone.home)
    assert "store.db is open in another engine: end that one" in line
    assert agentfx("runs", *alone.options).status == 0  # the one that has it goes on


def _listening_on(port: int, folder: Path) -> str:
    config = folder / "config.yaml"
    config.write_text(f"workers:\n- name: iii-worker-manager\n  config: {{port: {port}}}\n")
    return str(config)


async def test_a_configuration_that_leaves_the_port_open(tmp_path: Path) -> None:
    config = _listening_on(0, tmp_path)
    async with fx.local(workers=0, home=str(tmp_path / "home"), config=config) as cluster:
        assert not cluster.url.endswith(":0")


def test_a_port_that_is_taken(agentfx: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in (
            ["engine", "--port", str(port)],
            ["up", "--config", _listening_on(port, tmp_path)],
        ):
            line = agentfx.refused(*command)
            assert f"port {port} on 127.0.0.1 is in use: end what listens there" in line


async def test_a_cluster_listens_where_its_configuration_says(tmp_path: Path) -> None:
    with closing(free_port(None)) as held:
        config = _listening_on(held.number, tmp_path)
        async with fx.local(workers=0, home=str(tmp_path / "home"), config=config) as cluster:
            assert cluster.url == f"ws://127.0.0.1:{held.number}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("modules: []\n", "unknown key `modules`; known keys: workers"),
        ("workers: [\n", "is not YAML"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_configuration_that_cannot_be_used(
    agentfx: Command, tmp_path: Path, text: str | None, expected: str
) -> None:
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    for command in ("engine", "up"):
        line = agentfx.refused(command, "--config", "config.yaml")
        assert "config.yaml" in line
        assert expected in line


def _finished_run(home: Path) -> str:
    async def go() -> str:
        async with fx.local(workers=0, home=str(home)) as cluster:
            run = await fx.start(fx.succeed(7), backend=cluster)
            assert await run.result() == fx.Ok(7)
        return run.id

    return asyncio.run(go())


def test_a_store_of_a_newer_version(agentfx: Command, tmp_path: Path) -> None:
    run_id = _finished_run(tmp_path / ".agentfx")
    with closing(sqlite3.connect(tmp_path / ".agentfx" / "store.db")) as store:
        (version,) = store.execute("PRAGMA user_version").fetchone()
        store.execute("PRAGMA user_version = 99")
        for command in ("engine", "up"):
            line = agentfx.refused(command)
            assert f"has schema 99, this agentfx knows {version}: upgrade agentfx-kit" in line
        store.execute(f"PRAGMA user_version = {version}")

    async def again() -> fx.Exit[int, object]:
        async with fx.local(workers=0) as cluster:
            return await fx.run_dist(fx.succeed(7), backend=cluster, run_id=run_id)

    assert asyncio.run(again()) == fx.Ok(7)


@pytest.mark.parametrize("command", ["engine", "up"])
def test_a_file_that_is_no_store(agentfx: Command, tmp_path: Path, command: str) -> None:
    (tmp_path / ".agentfx").mkdir()
    store = tmp_path / ".agentfx" / "store.db"
    store.write_text("something else of value")
    line = agentfx.refused(command)
    assert "is no store of agentfx, or is damaged" in line
    assert "move it away" in line
    assert store.read_text() == "something else of value"


@pytest.mark.parametrize("command", ["engine", "up"])
def test_a_home_that_cannot_be_one(agentfx: Command, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    line = agentfx.refused(command, "--home", "file/home")
    assert "cannot be the home of a cluster (Not a directory): give --home" in line


@pytest.mark.parametrize(
    ("module", "why"), [("missing", "ModuleNotFoundError"), ("broken", "ZeroDivisionError")]
)
def test_a_module_that_workers_cannot_import(
    agentfx: Command, tmp_path: Path, module: str, why: str
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    line = agentfx.refused("up", "--workers", "1", "--tasks", module)
    assert line.startswith(f"workers w1 did not start: cannot import {module}")
    assert why in line


async def test_others_go_on_while_somebody_names_a_module_that_is_none(own_home: str) -> None:
    async with fx.local(workers=1, home=own_home) as cluster:
        with pytest.raises(fx.ClusterError, match="w2 did not start: cannot import no_such_module"):
            async with fx.local(workers=1, tasks=["no_such_module"], home=own_home):
                raise AssertionError("it started")
        assert {row["label"] for row in await cluster.workers()} == {"w1"}
        assert await fx.run_dist(fx.succeed(1), backend=cluster) == fx.Ok(1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("json", "json names no program: write MODULE:PROGRAM"),
        ("missing:program", "no program missing:program: No module named 'missing'"),
        ("json:missing", "no program json:missing: module 'json' has no attribute 'missing'"),
        ("sys:path", "sys:path is no program, but list"),
    ],
)
def test_a_program_that_is_none(agentfx: Command, name: str, expected: str) -> None:
    assert agentfx.refused("run", name).startswith(expected)


def test_a_run_or_letter_that_nobody_has(agentfx: Command, alone: Alone) -> None:
    for command in ("events", "cancel", "resume"):
        line = agentfx.refused(command, "r", *alone.options)
        assert line == "no run r: `agentfx runs` lists them"
    line = agentfx.refused("dlq", "redrive", "r", *alone.options)
    assert line == "no dead letter r: `agentfx dlq list` has them"


async def test_a_worker_of_a_label_that_there_is(cluster: fx.Cluster) -> None:
    with pytest.raises(ControlError, match="there is a worker w1 already: give another name"):
        await cluster.spawn("w1")
    with pytest.raises(ControlError, match="there is no worker w9; there are: w1, w2"):
        await cluster.kill("w9")


@pytest.mark.parametrize("name", ["", "a b", "../w1", "w" * 65, "\x1b[2J"])
def test_a_name_that_no_worker_can_have(agentfx: Command, alone: Alone, name: str) -> None:
    line = agentfx.refused("worker", "--name", name, *alone.options)
    assert line == f"{name!r} is no name for a worker: write letters, digits, - and _, as in w1"


async def test_a_label_that_another_worker_of_the_engine_has(alone: Alone, tmp_path: Path) -> None:
    def cluster(home: str) -> fx.local:
        return fx.local(1, url=alone.url, token=alone.token, home=str(tmp_path / home))

    async with cluster("one") as one, cluster("two") as two:
        (pid,) = (await one.processes()).values()
        assert set(await two.processes()) == {"w2"}
        ran = await asyncio.to_thread(_run, "worker", "--name", "w1", *alone.options)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.splitlines()[1:] == [
            f"agentfx: there is a worker w1 already (process {pid} on {platform.node()}): give "
            "another name, such as w3"
        ]
        assert {row["pid"] for row in await one.workers() if row["label"] == "w1"} == {pid}


def test_a_worker_says_that_it_waits_for_services_and_leaves_when_it_is_told(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "agentfx"]
    engine = [*command, "engine", "--home", str(tmp_path), "--port", "0", "--no-services"]
    with subprocess.Popen(engine, stdout=subprocess.PIPE, text=True) as alone:
        assert alone.stdout is not None
        url, token = (part.partition("=")[2] for part in alone.stdout.readline().split()[1:])
        where = ["--name", "w1", "--url", url, "--token", token]
        with subprocess.Popen(
            [*command, "worker", *where], stderr=subprocess.PIPE, text=True
        ) as waiting:
            assert waiting.stderr is not None
            waiting.stderr.readline()
            assert waiting.stderr.readline() == (
                f"worker w1 waits: the engine at {url} has no agentfx services; start them with "
                f"`agentfx services --url {url}`\n"
            )
            waiting.send_signal(signal.SIGTERM)
            assert waiting.wait() == 0
        alone.send_signal(signal.SIGTERM)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentfx", *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"program": 3}, "3 is not a program that can be run"),
        ({"program": fx.succeed(1), "env": 3}, "give capabilities as LLM.of"),
        ({"program": fx.succeed(1), "run_id": 7}, "a run id is text, not 7: give run_id='7'"),
    ],
)
async def test_what_cannot_be_run_starts_no_cluster(
    arguments: Any, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("III_URL", raising=False)
    with pytest.raises(TypeError, match=line):
        await fx.run_dist(**arguments)
    assert not (tmp_path / ".agentfx").exists()
