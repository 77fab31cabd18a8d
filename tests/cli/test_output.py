"""What tasks print on workers, shown by `agentfx run` and `resume`."""

from pathlib import Path

import pytest

import agentfx as fx
from agentfx.cli import _output as shown
from agentfx.cli._output import shown_output
from tests.cli import words
from tests.cluster.command import Command
from tests.waiting import eventually

WORDS = "tests.cli.words"
SAID = ["\\u001b[31mred", "", "and the rest"]

pytestmark = pytest.mark.slow


def _of_workers(lines: list[str]) -> list[str]:
    """What was said, sorted; each line says which worker did."""
    pairs = [line.partition(" | ") for line in lines]
    assert {worker for worker, _, _ in pairs} <= {"w1", "w2"}
    return sorted(text for _, _, text in pairs)


def test_what_tasks_print_is_no_result(agentfx: Command, shared_home: Path) -> None:
    said = agentfx("run", f"{WORDS}:said", "--home", str(shared_home))
    assert (said.status, said.out) == (0, "7\n")
    assert _of_workers(said.lines) == sorted([f"one {SAID[0]}", f"four {SAID[0]}", *(2 * SAID[1:])])


def test_what_was_printed_before_a_defect_is_shown(agentfx: Command, shared_home: Path) -> None:
    said = agentfx("run", f"{WORDS}:said_then_defect", "--home", str(shared_home))
    assert said.status == 1
    assert _of_workers(said.lines[:3]) == sorted([f"one {SAID[0]}", *SAID[1:]])
    assert said.lines[3] == "Traceback (most recent call last):"


def test_what_is_on_record_is_not_shown_again(agentfx: Command, shared_home: Path) -> None:
    run = ("run", f"{WORDS}:said", "--home", str(shared_home), "--run-id", "said-once")
    assert agentfx(*run).lines != []
    again = agentfx(*run)
    assert (again.out, again.lines) == ("7\n", [])
    resumed = agentfx("resume", "said-once", "--home", str(shared_home))
    assert (resumed.out, resumed.lines) == ("7\n", [])


async def test_it_is_shown_as_it_happens_also_to_who_attaches(
    shared_home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shown, "REST_SECONDS", 0.05)
    go_on, seen = tmp_path / "go_on", list[str]()

    def lines() -> list[str]:
        seen.extend(capsys.readouterr().err.splitlines())
        return [line.partition(" | ")[2] for line in seen]

    program = words.say_and_wait(str(go_on))
    async with (
        fx.connect(home=str(shared_home)) as one,
        fx.connect(home=str(shared_home)) as other,
        shown_output(other, "watched"),
    ):
        run = await fx.start(program, backend=one, run_id="watched")
        attached = await fx.start(program, backend=other, run_id="watched")
        await eventually(lambda: lines() == ["begun", "partly"])
        go_on.touch()
        assert await run.result() == await attached.result() == fx.Ok(1)
    assert lines() == ["begun", "partly", "ended"]
