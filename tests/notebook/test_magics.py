"""Magics in a shell of IPython, without a kernel: what is said of mistakes, help, completion."""

import asyncio
from typing import Any

import pytest

import agentfx as fx
from agentfx.notebook import the_kit
from agentfx.notebook._arguments import PARSERS, words_of
from tests.notebook.shell import Shell, new_shell

pytestmark = pytest.mark.slow

DEFINE = """
from abc import abstractmethod
import agentfx as fx

@fx.task("magics::double")
async def double(n: int) -> int:
    return 2 * n

class Clock(fx.Capability):
    @abstractmethod
    async def now(self) -> int: ...

class Stopped(Clock):
    async def now(self) -> int: return 12

program = double(21)
asks = Clock.call(Clock.now)
env = Clock.of(Stopped())
"""


MISTAKES = {
    "%agentfx start": "invalid choice: 'start'",
    "%agentfx up --worker 2": "did you mean --workers?",
    "%agentfx up --workers two": "invalid int value: 'two'",
    "%workers kill": "which worker: %workers kill w1",
    "%workers kill w99": "there is no worker w99",
    "%workers lift": "invalid choice: 'lift'",
    "%dlq redrive": "which job: %dlq redrive JOB; %dlq lists them",
    "%dlq redrive zzz": "no dead letter begins with zzz: %dlq lists them",
    "%dlq discard zzz": "no dead letter begins with zzz: %dlq lists them",
    "%events nosuch": "no run nosuch: %runs lists them",
    "%resume": "required: run_id; usage: %resume",
    "%resume nosuch": "no run nosuch: %runs lists them",
    "%resume $nosuch": "nosuch: name 'nosuch' is not defined",
    "%queues all": "unrecognized arguments: all",
    "%effect": "which program: %effect program",
    "%effect double": "double is a function, not a program: call it, such as double(…)",
    "%effect 42": "42 is a value of type int, not a program",
    "%run_dist": "which program: give its name, or an expression",
    "%run_dist double": "double is a function",
    "%run_dist double(1) + 1": "unsupported operand",
    "%run_dist program --out my-name": "my-name cannot be the name of a variable",
    "%run_dist program --env double": "--env double: that is a value of type Task",
    "%run_dist program --env nosuch": "nosuch: name 'nosuch' is not defined",
    "%run_dist program --frsh": "did you mean --fresh?",
    "%run_dist asks": "the program needs Clock: give it Clock.of(…), by --env NAME",
    "%run_memory asks": "the program needs Clock: give it Clock.of(…), by --env NAME",
    "%run_dist fx.for_each_par([1], double, 1)": "run_dist refuses it: use fx.for_each",
    "%%run_dist": "Did you mean the line magic %run_dist",
    "%%run_dist\nx = 1": "end it in an expression",
    "%%run_dist\n42": "the cell ends in a value of type int, not a program",
    "%%run_dist\ndouble": "the cell ends in a function, not a program: call it",
    "%%run_dist\ndouble(": "the cell is no Python: '(' was never closed, line 1: double(",
    "%%run_dist program\ndouble(1)": "two programs, program on the line and the cell",
    "%%run_memory\nfx.for_each([1], lambda n: n)": "a program goes on with an effect, not with 1",
}


@pytest.mark.parametrize("code", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_to_do(shell: Shell, code: str) -> None:
    assert MISTAKES[code] in shell.said(code)


def test_after_a_mistake_everything_is_as_it_was(shell: Shell) -> None:
    shell.said("%run_dist program --frsh -o result")
    assert "result" not in shell.shell.user_ns
    shell.run("%run_dist program -o result")
    assert shell.value("result") == fx.Ok(42)


def test_an_error_in_the_users_own_function_keeps_its_trace(shell: Shell) -> None:
    shell.run("def make():\n    return {}['nothing']")
    with pytest.raises(KeyError):
        shell.run("%run_dist make()")


@pytest.mark.parametrize(
    "line",
    [
        "%run_{where} program -o result",
        "%run_{where} -o result program",
        "%run_{where} --out=result program",
        "%run_{where} double(21).map(lambda n: n + 0) -o result",
        '%run_{where} double(21).named("the answer, at last") -o result',
        "%run_{where} -o result double( 21 )",
        "%%run_{where} -o result\nprogram",
        "# The answer\n\n%%run_{where} -o result\ndouble(21)",
        "%%run_{where} -o result\nfrom_cell = 21\ndouble(from_cell)",
    ],
)
@pytest.mark.parametrize("where", ["memory", "dist"])
def test_programs_by_line_and_by_cell(shell: Shell, where: str, line: str) -> None:
    shell.run(line.format(where=where))
    assert shell.value("result") == fx.Ok(42)


@pytest.mark.parametrize("where", ["memory", "dist"])
def test_capabilities_are_handed_over(shell: Shell, where: str) -> None:
    assert shell.run(f"%run_{where} asks --env env") == fx.Ok(12)


def test_a_known_run_is_not_run_again_unless_it_is_fresh(shell: Shell) -> None:
    begun: list[int] = []
    for option in ("--fresh", "", "--fresh"):
        shell.run(f"%run_dist program --run-id magics-known {option} -o result")
        assert shell.value("result") == fx.Ok(42)
        log = shell.run("%events magics-known")
        assert list(log.type).count("job_started") == 1
        begun.append(int(log.seq.iloc[0]))
    assert begun[0] == begun[1] < begun[2]


def test_a_detached_run_is_found_again_by_its_variable(shell: Shell) -> None:
    shell.run("%run_dist program --detach -o run")
    run = shell.value("run")
    assert repr(run) == f"Run({run.id!r})"
    assert shell.run("%resume $run") == fx.Ok(42)  # its program is known to this kernel
    log = shell.run("%events $run.id")
    assert list(log.type)[-1] == "run_ended"
    assert set(log.worker) >= {""}  # and not NaN


def test_a_cancelled_run_cannot_go_on(shell: Shell) -> None:
    shell.run("%run_dist fx.sleep(60) --detach -o run")
    shell.run("await run.cancel()")
    the_kit().programs.clear()
    assert "was cancelled, and cannot go on" in shell.said("%resume $run")


def test_listings_are_frames(shell: Shell) -> None:
    shell.run("%run_dist program")
    runs = shell.run("%runs --limit 1")
    assert list(runs.status) == ["done"]
    assert set(shell.run("%workers").state) == {"up"}
    assert list(shell.run("%queues").columns) == ["task", "queued", "running", "dead"]
    assert "redrivable" in shell.run("%dlq").columns
    newest = shell.run("%events")
    assert newest.type.iloc[0] == "run_started"


@pytest.mark.parametrize("name", PARSERS)
def test_every_magic_has_help(shell: Shell, name: str) -> None:
    kinds = shell.shell.magics_manager.magics
    magic = kinds["line"].get(name) or kinds["cell"][name]
    assert magic.__doc__.startswith("usage: %")
    assert PARSERS[name].description in magic.__doc__


def test_completion_knows_what_fits(shell: Shell) -> None:
    shell.run("%runs")  # connects: a key press starts no cluster
    assert {"up", "down", "status", "doctor", "--workers"} <= set(shell.completions("%agentfx "))
    assert {"spawn", "kill", "stop"} <= set(shell.completions("%workers "))
    assert "w1" in shell.completions("%workers kill ")
    assert {"program", "--fresh", "--run-id"} <= set(shell.completions("%run_dist "))
    assert "env" in shell.completions("%run_dist program --env ")


def test_patched_asyncio_is_warned_of(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "_nest_patched", True, raising=False)
    monkeypatch.delattr(asyncio, "_nest_asyncio2", raising=False)
    with pytest.warns(UserWarning, match="nest_asyncio is patched in: clicks are lost"):
        shell.run("%reload_ext agentfx")
    report = shell.run("%agentfx doctor")
    assert "nest_asyncio is patched in" in str(report)
    assert not report.ok


def registered(shell: Any) -> list[Any]:
    """What extensions register in a shell."""
    kinds: dict[str, dict[str, Any]] = shell.magics_manager.magics
    cleanup: list[Any] = shell.input_transformers_cleanup
    post: list[Any] = shell.input_transformers_post
    return [sorted(kinds["line"]), sorted(kinds["cell"]), len(cleanup), len(post)]


def test_unloading_leaves_nothing(shell: Shell) -> None:
    new = new_shell()
    loaded = registered(shell.shell)
    shell.run("%unload_ext agentfx")
    assert registered(shell.shell) == registered(new)
    shell.run("%load_ext agentfx")
    assert registered(shell.shell) == loaded


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a  b", ["a", "b"]),
        ("f(1, 2) -o x", ["f(1, 2)", "-o", "x"]),
        ("f('a b').named(\"c ' d\") x", ["f('a b').named(\"c ' d\")", "x"]),
        ("[n for n in {1, 2}] )", ["[n for n in {1, 2}]", ")"]),
        ("", []),
    ],
)
def test_words_end_outside_of_brackets_and_quotes(line: str, words: list[str]) -> None:
    assert words_of(line) == words
