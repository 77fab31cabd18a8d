"""`agentfx gen` on a live registry: the types it writes, the programs that use them, `--check`."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import agentfx as fx
from agentfx.contracts import published_in, write_module
from agentfx.interpreters import NoStubError
from agentfx.notebook import Kit, contract, contracts
from agentfx.notebook._errors import UserError
from tests.contracts.conftest import load

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
Gen = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def gen(polyglot_home: Path) -> Gen:
    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [str(BIN / "agentfx"), "gen", "--home", str(polyglot_home), *options]
        return subprocess.run(command, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
def path(gen: Gen, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("live") / "contracts.py"
    ran = gen("--out", str(made))
    assert ran.returncode == 0, ran.stderr
    return made


@pytest.fixture(scope="module")
def live(path: Path) -> ModuleType:
    return load(path.read_text(), "live_contracts", path.parent)


# Types

USES = """
from typing import assert_type

import agentfx as fx
from agentfx import ContractViolation, Effect, Replayable, TaskError
from contracts import (
    DivisionByZero, PymathAddResult, PymathDivideResult, PymathStatsInputSeries, remote,
)

Always = ContractViolation | TaskError
add = remote("pymath::add")(a=2, b=3)
assert_type(add, Effect[PymathAddResult, Always])
durable = remote("pymath::add", replayable=True)(a=2, b=3).retry(3)
assert_type(durable, Replayable[PymathAddResult, Always])
divide = remote("pymath::divide", timeout=5)(a=2, b=3)
assert_type(divide, Effect[PymathDivideResult, DivisionByZero | Always])
page = remote("textstats::of_page")(url="x")
assert_type(add.map(lambda result: result.sum), Effect[float, Always])
series = [PymathStatsInputSeries(label="a", values=[1, 2.5])]
remote("pymath::stats")(series=series, measures=["mean"])
divide.catch(fx.on(DivisionByZero).do(lambda e: fx.succeed(e.dividend)))
divide.catch(fx.on(DivisionByZero).do(lambda e: fx.succeed(e.divisor)))  # bad
remote("pymath::add")(a=2)  # bad
remote("pymath::add")(a=2, b="3")  # bad
remote("pymath::add")(2, 3)  # bad
remote("pymath::add")(a=2, b=3, c=4)  # bad
remote("pymath::add")(a=2, b=3).retry(3)  # bad
remote("pymath::nope")(a=2)  # bad
remote("pymath::stats")(series=series, measures=["mode"])  # bad
remote("textstats::count")(text=3)  # bad
add.map(lambda result: result.total)  # bad
""".lstrip()
CHECKERS = {
    "mypy": ([str(BIN / "mypy"), "--strict"], r"uses\.py:(\d+): error"),
    "pyright": ([str(BIN / "pyright"), "--pythonpath", sys.executable], r"uses\.py:(\d+):\d+ - e"),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_both_checkers_know_what_a_function_takes_and_gives(checker: str, path: Path) -> None:
    uses = path.with_name("uses.py")
    uses.write_text(USES)
    command, pattern = CHECKERS[checker]
    # Of the repository's settings mypy has what it knows of the libraries already.
    folder = ROOT if checker == "mypy" else path.parent
    ran = subprocess.run([*command, uses], capture_output=True, text=True, cwd=folder)
    bad = {n for n, line in enumerate(USES.splitlines(), 1) if line.endswith("# bad")}
    assert {int(n) for n in re.findall(pattern, ran.stdout)} == bad, ran.stdout


# Programs


async def both(program: Any, polyglot: fx.Cluster, **stubs: Callable[..., Any]) -> list[Any]:
    """The exits of a program under dist, and in memory with a stand-in."""
    named = {name.replace("__", "::"): stub for name, stub in stubs.items()}
    return [await fx.run_dist(program, backend=polyglot), await fx.run_memory(program, stubs=named)]


def never(**given: Any) -> Any:
    raise AssertionError(given)


@pytest.mark.parametrize("replayable", [False, True], ids=["direct", "durable"])
async def test_results_are_models(replayable: bool, live: ModuleType, polyglot: fx.Cluster) -> None:
    program = live.remote("pymath::add", replayable=replayable)(a=2, b=3)

    def add(a: float, b: float) -> Any:
        return {"sum": a + b}

    exits = await both(program, polyglot, pymath__add=add)
    assert exits == [fx.Ok(live.PymathAddResult(sum=5))] * 2
    assert [type(exit_.value.sum) for exit_ in exits] == [int, int]


async def test_models_go_in_and_come_out(live: ModuleType, polyglot: fx.Cluster) -> None:
    series = live.PymathStatsInputSeries(label="a", values=[1, 2, 3])
    rounding = live.PymathStatsInputDigits(kind="digits", digits=1)
    program = live.remote("pymath::stats")(
        series=[series], measures=["mean", "range"], rounding=rounding
    )

    def stats(series: list[Any], measures: list[str], rounding: Any) -> Any:
        assert (series[0].label, rounding.digits) == ("a", 1)
        measured = {"label": "a", "count": 3, "unit": None}
        return {
            "results": [{**measured, "measures": {"mean": 2, "range": 2.0}}],
            "longest": series[0].label,
        }

    dist, memory = await both(program, polyglot, pymath__stats=stats)
    assert dist == memory
    assert dist.unwrap().results[0].measures == {"mean": 2.0, "range": 2.0}
    assert dist.unwrap().longest == "a"


@pytest.mark.parametrize("replayable", [False, True], ids=["direct", "durable"])
async def test_declared_failures_are_classes(
    replayable: bool, live: ModuleType, polyglot: fx.Cluster
) -> None:
    gone = live.DivisionByZero(dividend=1)
    program = live.remote("pymath::divide", replayable=replayable)(a=1, b=0)

    def divide(a: float, b: float) -> Any:
        raise gone

    assert await both(program, polyglot, pymath__divide=divide) == [fx.Err(gone)] * 2
    caught = program.catch(fx.on(live.DivisionByZero).do(lambda e: fx.succeed(e.dividend)))
    assert await both(caught, polyglot, pymath__divide=divide) == [fx.Ok(1)] * 2


async def test_a_task_fails_with_its_own_failure_by_way_of_javascript(
    live: ModuleType, polyglot: fx.Cluster
) -> None:
    program = live.remote("textstats::of_page")(url="gone:x")
    exit_ = await fx.run_dist(program, backend=polyglot)
    not_found = live.CONTRACTS["textstats::of_page"].failures["NotFound"]
    assert exit_ == fx.Err(not_found(url="gone:x"))


async def test_both_sides_are_checked(live: ModuleType, polyglot: fx.Cluster) -> None:
    call = live.remote("textstats::analyze")
    wrong = call(documents=[{"text": 3}])
    for exit_ in await both(wrong, polyglot, textstats__analyze=never):
        assert isinstance(exit_.error, fx.ContractViolation)
        assert exit_.error.where == "input"
        assert exit_.error.errors[0][1][:2] == ("documents", 0)
    right = call(documents=[{"text": "a"}])

    def analyze(documents: Any) -> Any:
        return {"results": [], "total": "1"}

    exit_ = await fx.run_memory(right, stubs={"textstats::analyze": analyze})
    assert isinstance(exit_, fx.Err)
    assert isinstance(exit_.error, fx.ContractViolation)
    assert exit_.error.where == "output"


async def test_memory_names_the_function(live: ModuleType) -> None:
    with pytest.raises(NoStubError, match=r"pymath::add is a function of another worker"):
        await fx.run_memory(live.remote("pymath::add")(a=2, b=3))


def test_an_unknown_id_says_what_to_do(live: ModuleType) -> None:
    with pytest.raises(TypeError, match="no generated contract for a::b: run `agentfx gen` again"):
        live.remote("a::b")


def test_a_folder_that_is_not_there(gen: Gen, tmp_path: Path) -> None:
    ran = gen("--out", str(tmp_path / "no" / "contracts.py"))
    assert ran.returncode == 1
    assert "No such file or directory" in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


# `--check`


def test_check_of_what_the_registry_has(gen: Gen, path: Path) -> None:
    ran = gen("--out", str(path), "--check")
    assert (ran.returncode, ran.stdout) == (0, "")


def test_check_tells_compatible_from_breaking(gen: Gen, path: Path, tmp_path: Path) -> None:
    rows = published_in(path.read_text())
    add = next(row for row in rows if row.id == "pymath::add")
    add.published.request["properties"]["c"] = {"type": "number"}
    add.published.response["properties"]["sum"] = {"type": "integer"}
    old = tmp_path / "old.py"
    old.write_text(write_module([row for row in rows if row.id != "pymath::echo"]))
    before = old.read_text()
    ran = gen("--out", str(old), "--check")
    assert ran.returncode == 1
    lines = [line.split(None, 2) for line in ran.stdout.splitlines()]
    assert [line[:2] for line in lines] == [
        ["breaking", "pymath::add:"],
        ["breaking", "pymath::add:"],
        ["compatible", "pymath::echo:"],
    ]
    assert "input changed" in ran.stdout
    assert "result changed: sum" in ran.stdout
    assert "3 changes, 2 of them breaking: run `agentfx gen` again" in ran.stderr
    assert old.read_text() == before


@pytest.mark.parametrize("text", [None, "x = 1\n", "x = (\n"])
def test_check_of_no_generated_module(gen: Gen, text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "other.py"
    if text is not None:
        file.write_text(text)
    ran = gen("--out", str(file), "--check")
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) <= 2  # where the engine is, and the mistake
    assert "cannot be checked" in ran.stderr


# Displays


@pytest.fixture
def kit(polyglot_home: Path) -> Any:
    kit = Kit(home=str(polyglot_home))
    yield kit
    kit.call(kit.leave())


async def test_the_table_of_contracts(kit: Kit, polyglot: fx.Cluster) -> None:
    table = contracts(kit=kit).set_index("id")
    assert {"pymath::divide", "textstats::count", "docs::fetch"} <= set(table.index)
    row = table.loc["pymath::divide"]
    assert list(row) == [
        "python", "pymath", "{a: number, b: number}", "{quotient: number}",
        "DivisionByZero",
    ]  # fmt: skip
    assert table.loc["textstats::count", "language"] == "node"


async def test_one_contract_as_text_and_html(kit: Kit, polyglot: fx.Cluster) -> None:
    shown = contract("textstats::analyze", kit=kit)
    assert repr(shown).splitlines()[:2] == [
        "textstats::analyze  (node, worker textstats)",
        "Count words of documents, and find the most frequent ones",
    ]
    assert "top?: integer (at least 0, at most 100): How many; 3 without it." in repr(shown)
    assert "EmptyText" in repr(shown)
    html = shown._repr_html_()
    assert "<caption>EmptyText</caption>" in html
    assert "<script" not in html


async def test_a_contract_that_is_not_there(kit: Kit, polyglot: fx.Cluster) -> None:
    with pytest.raises(UserError, match="pymath::add, pymath::divide"):
        contract("pymath::sub", kit=kit)
