"""`agentfx run`, and what looks at runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.command import Command

WORDS = "tests.cli.words"


def test_a_program_runs_in_memory(agentfx: Command) -> None:
    said = agentfx("run", f"{WORDS}:total", "--memory")
    assert (said.status, said.out, said.lines) == (0, "5\n", [])


def test_a_function_that_makes_a_program_is_called(agentfx: Command) -> None:
    assert agentfx("run", f"{WORDS}:made", "--memory").out == "2\n"


def test_a_failure_is_status_2_and_one_line(agentfx: Command) -> None:
    said = agentfx("run", f"{WORDS}:empty", "--memory")
    assert (said.status, said.out) == (2, "")
    assert said.lines == ["failed: Empty(text='[/red]')"]


def test_a_failure_as_json(agentfx: Command) -> None:
    said = agentfx("run", f"{WORDS}:empty", "--memory", "--json")
    assert said.status == 2
    assert json.loads(said.out) == {"error": "Empty", "message": "text='[/red]'"}


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("nowhere:x", "no program nowhere:x: No module named 'nowhere'; name it"),
        ("{}:nope", "no program {0}:nope: module '{0}' has no attribute 'nope'; name it"),
        ("{}", "{} names no program: write MODULE:PROGRAM"),
        ("{}:three", "{}:three is no program, but int: name an effect, or a function"),
        ("{}:needs", "{}:needs is no program, but function: name an effect, or a function"),
        ("{}:later", "{}:later is an async function: make the program in a plain one"),
        (":x", ":x names no program: write MODULE:PROGRAM"),
        ("./jobs/a.py:x", "./jobs/a.py:x names a file: name its module, such as jobs.a:x"),
        ("./a:x", "./a:x names a file: name its module, such as a:x"),
    ],
)
@pytest.mark.parametrize("where", ["--memory", "--dist"])
def test_what_is_no_program(agentfx: Command, program: str, line: str, where: str) -> None:
    assert agentfx.refused("run", program.format(WORDS), where).startswith(line.format(WORDS))


@pytest.mark.parametrize("option", [["--dist"], ["--run-id", "r"], ["--fresh"]])
def test_memory_keeps_no_record(agentfx: Command, option: list[str]) -> None:
    said = agentfx("run", f"{WORDS}:total", "--memory", *option)
    assert said.status == 2
    assert "--memory keeps no record: leave out --dist, --run-id and --fresh" in said.lines[-1]


def test_an_empty_run_id(agentfx: Command, tmp_path: Path) -> None:
    said = agentfx("run", f"{WORDS}:total", "--run-id", "")
    assert said.status == 2
    assert "--run-id is empty: name the run, or leave it out for a new one" in said.lines[-1]
    assert list(tmp_path.iterdir()) == []


def test_what_a_program_prints_is_not_its_result(agentfx: Command) -> None:
    said = agentfx("run", f"{WORDS}:talks", "--memory", "--json")
    assert (said.out, said.lines) == ("1\n", ["counting 1"])


def test_a_result_is_json_that_every_reader_takes(agentfx: Command) -> None:
    assert agentfx("run", f"{WORDS}:no_number", "--memory", "--json").out == '"NaN"\n'


def test_ctrl_c_in_memory(agentfx: Command) -> None:
    said = agentfx("run", f"{WORDS}:interrupted", "--memory")
    assert (said.status, said.out, said.lines) == (130, "", ["agentfx: interrupted"])


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(agentfx: Command, shared_home: Path) -> None:
    here = ("--home", str(shared_home))
    said = agentfx("run", f"{WORDS}:interrupted", *here)
    assert said.status == 130
    (line,) = said.lines
    start, _, command = line.partition("; to go on with it: agentfx ")
    assert start == "agentfx: interrupted"
    again = agentfx(*command.split())
    assert (again.status, again.lines) == (130, [line])
    run_id = command.split()[command.split().index("--run-id") + 1]
    said = agentfx("resume", run_id, *here)
    assert said.lines == [
        f"agentfx: interrupted; to go on with it: agentfx resume {run_id} --home {shared_home}"
    ]
    assert agentfx("cancel", run_id, *here).status == 0
    shown = agentfx("events", run_id, *here).out.splitlines()
    assert "run_started" in shown[1]


def test_where_nothing_is_on_record_no_engine_is_started(agentfx: Command, tmp_path: Path) -> None:
    assert agentfx.refused("resume", "r1").startswith("no cluster runs in ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_events_are_followed_to_the_end_of_their_run(agentfx: Command, shared_home: Path) -> None:
    here = ("--home", str(shared_home))
    assert agentfx("run", f"{WORDS}:said", "--run-id", "followed", *here).out == "7\n"
    head, *lines = agentfx("events", "followed", "--follow", *here).out.splitlines()
    assert head.split() == [
        "seq", "type", "path", "task", "worker", "delivery", "ms", "error", "label",
    ]  # fmt: skip
    kinds = [line.split()[1] for line in lines]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_ended")
    assert not [line for line in lines if "\x1b" in line]
    said = agentfx("events", "followed", "--follow", "--json", *here)
    assert [json.loads(line)["type"] for line in said.out.splitlines()] == kinds


@pytest.mark.slow
def test_what_errors_suggest_can_be_typed(agentfx: Command, shared_home: Path) -> None:
    here = ("--home", str(shared_home))
    assert agentfx("run", f"{WORDS}:total", "--run-id", "typed", *here).out == "5\n"
    assert agentfx.refused("run", f"{WORDS}:talks", "--run-id", "typed", *here) == (
        "run typed belongs to another program: give a new run id, or start it over with "
        "`agentfx run --fresh`"
    )
    fresh = ("run", f"{WORDS}:talks", "--run-id", "typed", "--fresh", *here)
    assert agentfx(*fresh).out == "1\n"
    assert agentfx("run", f"{WORDS}:unnamed", "--run-id", "unnamed", *here).out == "1\n"
    assert agentfx.refused("resume", "unnamed", *here) == (
        "only its notebook or script has the program of run unnamed: give it, "
        "`agentfx resume unnamed MODULE:PROGRAM`"
    )


@pytest.mark.slow
def test_a_crash_is_shown_with_its_place_in_the_task(agentfx: Command, shared_home: Path) -> None:
    said = agentfx("run", f"{WORDS}:crashes", "--home", str(shared_home))
    assert said.status == 2
    assert said.lines[0].startswith("failed: TaskError(task='cli_words::crash', reason='crashed'")
    assert said.lines[1:3] == ["in the worker:", "Traceback (most recent call last):"]
    assert said.lines[-1] == "ZeroDivisionError: integer division or modulo by zero"


def test_a_defect_names_its_step_and_shows_the_users_frames_alone(agentfx: Command) -> None:
    said = agentfx("run", f"{WORDS}:defect", "--memory")
    assert said.status == 1
    assert said.lines[0] == "Traceback (most recent call last):"
    assert [Path(line.split('"')[1]).name for line in said.lines if "File " in line] == ["words.py"]
    assert said.lines[-2] == "ZeroDivisionError: integer division or modulo by zero"
    assert said.lines[-1].startswith("agentfx: after step 1 of run ")


def test_what_we_say_of_a_mistake_in_a_program_is_one_line(agentfx: Command) -> None:
    said = agentfx.refused("run", f"{WORDS}:no_effect", "--memory")
    assert said.startswith("a program goes on with an effect, not with 1: return fx.succeed(value)")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_by_its_id(agentfx: Command) -> None:
    """A run in the store of the folder; each command starts what it needs."""
    first = agentfx("run", f"{WORDS}:total", "--run-id", "r1", "--workers", "1")
    assert (first.status, first.out) == (0, "5\n")
    # No worker: what is on record is given, nothing runs.
    assert agentfx("resume", "r1", "--workers", "0").out == "5\n"
    (row,) = _rows(agentfx, "runs")
    assert (row["id"], row["status"], row["program"]) == ("r1", "done", f"{WORDS}:total")
    kinds = [event["type"] for event in _rows(agentfx, "events", "r1")]
    assert kinds.count("job_done") == 3
    assert kinds[-1] == "run_ended"
    assert agentfx("cancel", "r1").out == "run r1 has ended already: done\n"
    assert agentfx("runs", "prune", "--keep", "0", "--days", "0").out == "1 runs deleted\n"
    assert _rows(agentfx, "runs") == []
    assert agentfx.refused("resume", "r1") == "no run r1: `agentfx runs` lists them"


def _rows(agentfx: Command, *command: str) -> list[dict[str, Any]]:
    said = agentfx(*command, "--json")
    assert said.status == 0, said
    rows: list[dict[str, Any]] = json.loads(said.out)
    return rows
