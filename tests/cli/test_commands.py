"""What holds of every command: help, completion, JSON; and `version` and `doctor`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import agentfx as fx
from agentfx.cli import app
from agentfx.cli._show import out, show
from tests.cluster.command import Command

# As the documentation of the public interface lists them.
COMMANDS = [
    "cancel", "demo agent", "demo fanout", "demo harness", "demo preempt", "demo preempt-agent",
    "dlq discard", "dlq list", "dlq redrive", "doctor", "down", "engine", "events", "gen",
    "harness", "nb-strip", "ps", "queues", "resume", "run", "runs", "runs prune", "services", "up",
    "version", "worker",
]  # fmt: skip
LISTINGS = ["ps", "queues", "runs", "dlq list"]


def _names(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if not hasattr(command, "commands"):
            yield before + name
            continue
        if command.invoke_without_command:
            yield before + name
        yield from _names(command, f"{before}{name} ")


def test_these_commands_are_there() -> None:
    assert sorted(_names(typer.main.get_command(app))) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help(agentfx: Command, command: str) -> None:
    said = agentfx(*command.split(), "--help")
    assert said.status == 0
    usage, *rest = said.out.splitlines()
    assert usage.startswith(f"Usage: agentfx {command}")
    assert any(line.strip() for line in rest[:3]), "the help says what the command does"


def test_without_arguments_there_is_help(agentfx: Command) -> None:
    said = agentfx()
    assert "Usage: agentfx [OPTIONS] COMMAND" in said.out + "\n".join(said.lines)


def test_a_command_that_is_not_there(agentfx: Command) -> None:
    said = agentfx("nope")
    assert said.status == 2
    assert "No such command 'nope'." in said.lines[-1]


@pytest.mark.parametrize(
    "command",
    [
        "up --workers -1", "up --slots 0", "run m:p --workers -1", "resume r --workers -1",
        "worker --name w --slots 0", "harness --name w --slots 0", "engine --port 65536",
        "runs --limit 0", "runs prune --keep -1", "runs prune --days -1",
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_meant(agentfx: Command, tmp_path: Path, command: str) -> None:
    said = agentfx(*command.split())
    assert said.status == 2
    assert f"Invalid value for '{command.split()[-2]}'" in said.lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_completion_knows_the_commands() -> None:
    environment = {
        "_AGENTFX_COMPLETE": "complete_bash", "COMP_WORDS": "agentfx d", "COMP_CWORD": "1",
    }  # fmt: skip
    program = Path(sys.executable).parent / "agentfx"
    ran = subprocess.run([program], env=environment, capture_output=True, text=True)
    assert sorted(ran.stdout.split()) == ["demo", "dlq", "doctor", "down"]


@pytest.mark.parametrize("command", ["ps", "gen", "worker --name w1", "harness --name w1"])
def test_what_only_a_cluster_can_answer_needs_one(
    agentfx: Command, tmp_path: Path, command: str
) -> None:
    said = agentfx.refused(*command.split())
    assert said == (
        f"no cluster runs in {tmp_path}/.agentfx, and III_URL is not set: start one with "
        "`agentfx up`, or give --url"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", LISTINGS)
def test_listings_are_tables_or_json(agentfx: Command, shared_home: Path, command: str) -> None:
    here = ("--home", str(shared_home))
    rows: list[dict[str, Any]] = json.loads(agentfx(*command.split(), "--json", *here).out)
    assert type(rows) is list
    table = agentfx(*command.split(), *here)
    assert table.status == 0
    assert table.out
    if command == "ps":
        assert {row["label"] for row in rows} >= {"w1", "w2"}
        assert "w1" in table.out


@pytest.mark.parametrize("as_json", [False, True])
def test_a_terminal_obeys_nothing_that_is_listed(
    capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    attack = "\x1b]0;x\x07\x9b31m\u202eend"
    show([{"task": attack}], ("task",), as_json=as_json)
    out.print(attack)
    said = capsys.readouterr().out
    assert not set(said) & set("\x1b\x07\x9b\u202e")
    assert said.count("u202e") == 2


def test_version(agentfx: Command) -> None:
    rows = {row["package"]: row["version"] for row in json.loads(agentfx("version", "--json").out)}
    assert rows["agentfx-kit"] == fx.__version__
    assert rows["python"] == sys.version.split()[0]
    assert fx.__version__ in agentfx("version").out == agentfx("--version").out


def test_the_doctor_finds_nothing(agentfx: Command) -> None:
    said = agentfx("doctor", "--json")
    assert said.status == 0
    rows = json.loads(said.out)
    assert {row["check"] for row in rows} >= {"python", "home folder", "disk", "loopback", "engine"}
    assert all(row["ok"] for row in rows)


def test_the_doctor_finds_an_engine_that_does_not_answer(agentfx: Command) -> None:
    said = agentfx("doctor", "--json", "--url", "ws://127.0.0.1:1")
    assert said.status == 1
    (row,) = [row for row in json.loads(said.out) if not row["ok"]]
    assert row["check"] == "engine"
    assert "no engine answers at ws://127.0.0.1:1" in row["mend"]
