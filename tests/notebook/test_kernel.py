"""Cells in a real kernel, without a browser."""

import asyncio
import time
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel, started_kernel
from tests.waiting import eventually, is_alive

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(180)]

SETUP = "%load_ext agentfx\nimport agentfx as fx, asyncio\nfrom pathlib import Path"
SLOW = """%%run_dist -o result {options}
@fx.task("docs::fetch")
async def fetch(n: int) -> int:
    await asyncio.sleep({seconds})
{gated}    return {returned}

fetch.for_each(range({items}), concurrency=4).map(sum).named("total")
"""
AT_GATE = """\
    if n >= 4:
        Path("{gate}-reached").touch()
        while not Path("{gate}").exists():
            await asyncio.sleep(0.01)
"""
GATED = """%%run_dist -o result
from pathlib import Path

@fx.task("kernel::wait")
async def wait(gate: str) -> int:
    while not Path(gate).exists():
        await asyncio.sleep(0.02)
    return 4

wait({gate!r})
"""


def slow(
    *,
    items: int = 8,
    seconds: float = 0.01,
    returned: str = "n",
    options: str = "",
    gate: Path | None = None,
) -> str:
    """A cell; with a gate, items from the fifth on end only once that file is there."""
    gated = "" if gate is None else AT_GATE.format(gate=gate)
    return SLOW.format(
        items=items, seconds=seconds, returned=returned, options=options, gated=gated
    )


def until_reached(gate: Path) -> None:
    """Wait until some items are done, and one waits before its gate."""
    asyncio.run(eventually(gate.with_name(f"{gate.name}-reached").exists, 45.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@pytest.fixture(scope="module")
def kernel(folder: Path) -> Generator[Kernel]:
    """A kernel with a cluster, shared by tests that leave both as they were."""
    with started_kernel(folder) as kernel:
        kernel.run(SETUP)
        kernel.run("%agentfx up")
        yield kernel
        kernel.run("%agentfx down")


def test_a_click_is_heard_while_the_cell_runs(kernel: Kernel, folder: Path) -> None:
    gate = folder / "gate-a"
    cell = kernel.start(GATED.format(gate=str(gate)), cell="a")
    panel = kernel.open_panel()
    kernel.click(panel, op="spawn", id="1")
    assert kernel.wait_for_comm("heard")["id"] == "1"
    answer = kernel.wait_for_comm("answer")
    assert answer["ok"], answer
    gate.touch()  # before, the cell could not end
    kernel.collect(cell)
    label = answer["text"].split()[-1]
    kernel.run(f"%workers stop {label}")
    assert kernel.value("result") == "Ok(value=4)"


MANY = """%%run_dist -o result
@fx.task("kernel::count")
def count(n: int) -> int: return n

async def look() -> int: return 1

def ten(n): return fx.for_each(range(10), lambda _: fx.attempt(look, returns=int), concurrency=10)
def hundred(n): return fx.for_each(range(10), ten, concurrency=10).map(len)

fx.for_each(range(20), hundred, concurrency=20).zip(count.for_each(range(300), concurrency=50))
"""
MOST_A_SECOND = 17
"""Fifteen diffs, one at the edge, and one when the run ends."""


@pytest.mark.timeout(400)
def test_a_panel_is_told_a_few_times_a_second_whatever_the_run_does(kernel: Kernel) -> None:
    ran = kernel.run(MANY, cell="many")
    assert kernel.value("[len(part) for part in result.value]") == "[20, 300]"
    told = ran.comm("diff")
    moments = [at for at, _ in told]
    for moment in moments:
        assert sum(moment <= other < moment + 1.0 for other in moments) <= MOST_A_SECOND
    versions = [(diff["from"], diff["to"]) for _, diff in told]
    assert all(before[1] == after[0] for before, after in pairwise(versions))
    rows = {key for _, diff in told for key in diff["set"].get("nodes", {})}
    assert len(rows) > 2_000
    assert "2,300 of 2,300 steps ended" in ran.shown[-1]["text/plain"]


def test_a_run_is_cancelled_by_a_click(kernel: Kernel, folder: Path) -> None:
    cell = kernel.start(GATED.format(gate=str(folder / "never")), cell="cancelled")
    panel = kernel.open_panel()
    while "1" not in kernel.wait_for_comm("diff")["set"].get("nodes", {}):
        pass  # not begun
    kernel.click(panel, op="cancel", id="1")
    ran = kernel.collect(cell)
    ((_, answer),) = ran.comm("answer")
    assert answer["text"].startswith("cancelled: ")
    assert "was cancelled" in ran.text
    assert ": cancelled after " in ran.shown[-1]["text/plain"].splitlines()[0]
    assert listed(kernel, "runs", "status")[0] == "cancelled"


def test_a_dead_letter_is_discarded_by_a_click_also_when_its_cell_is_over(kernel: Kernel) -> None:
    crash = """%%run_dist -o result
@fx.task("kernel::crash")
def crash(n: int) -> int: return n // 0

crash(1)
"""
    cell = kernel.start(crash, cell="dead")
    panel = kernel.open_panel()
    kernel.collect(cell)
    (job,) = listed(kernel, "dlq", "job")
    kernel.click(panel, op="discard", job=job, id="1")
    answer = kernel.wait_for_comm("answer")
    assert answer["ok"], answer
    assert answer["text"].startswith("discarded for good")
    assert listed(kernel, "dlq", "job") == []


def test_what_is_left_without_a_widget_is_the_end_of_the_run(kernel: Kernel) -> None:
    live, shown = kernel.run(slow(items=3, seconds=0.05), cell="b").shown
    assert "application/vnd.jupyter.widget-view+json" in live
    assert "3 of 3 steps ended" in shown["text/plain"]
    assert "<b>done</b> <code>total</code>" in shown["text/html"]
    assert "<script" not in shown["text/html"]
    assert set(shown) == {"text/plain", "text/html"}


def test_a_changed_cell_runs_its_new_code(kernel: Kernel) -> None:
    kernel.run(slow(items=3), cell="c")
    assert kernel.value("result") == "Ok(value=3)"
    kernel.run(slow(items=3, returned="n * 10"), cell="c")
    assert kernel.value("result") == "Ok(value=30)"


def test_a_task_that_was_defined_anew_in_another_cell_is_used(kernel: Kernel) -> None:
    define = "@fx.task('t::one')\nasync def one() -> str: return '{}'\nprogram = one()"
    kernel.run(define.format("old"))
    kernel.run("%run_dist program -o result")
    assert kernel.value("result") == "Ok(value='old')"
    kernel.run(define.format("new"))
    kernel.run("%run_dist program -o result")
    assert kernel.value("result") == "Ok(value='new')"


def test_interrupt_stops_watching_and_not_the_run(kernel: Kernel, folder: Path) -> None:
    gate = folder / "interrupted"
    cell = kernel.start(slow(items=12, gate=gate), cell="d")
    kernel.open_panel()
    until_reached(gate)
    kernel.interrupt()
    ran = kernel.collect(cell)  # it ends, and the run cannot have
    gate.touch()
    assert ran.status == "ok", ran.error
    assert "stopped watching; run " in ran.text
    run_id = ran.text.split("stopped watching; run ")[1].split()[0]
    program = "fetch.for_each(range(12),concurrency=4).map(sum).named('total')"
    kernel.run(f"%resume {run_id} {program} -o again")
    assert kernel.value("again") == "Ok(value=66)"
    kernel.run(f"told = %events {run_id}")
    assert kernel.value("list(told['type']).count('job_done')") == "12"


def test_the_same_cell_goes_on_with_the_run_it_left(kernel: Kernel, folder: Path) -> None:
    gate = folder / "left"
    source = slow(items=12, gate=gate)
    cell = kernel.start(source, cell="e")
    kernel.open_panel()
    until_reached(gate)
    kernel.interrupt()
    kernel.collect(cell)
    gate.touch()
    ran = kernel.run(source, cell="e")
    assert "this cell's unfinished run" in ran.text
    assert kernel.value("result") == "Ok(value=66)"


@pytest.mark.parametrize("around", ["%%time\n", "%%capture captured\n"])
def test_under_another_magic_the_cell_blocks_and_still_works(kernel: Kernel, around: str) -> None:
    kernel.run(around + slow(items=2), cell="f")
    assert kernel.value("result") == "Ok(value=1)"


def test_it_can_be_used_where_nothing_is_awaited(kernel: Kernel) -> None:
    kernel.run("%autoawait off")
    kernel.run(slow(items=2), cell="g")
    kernel.run("%autoawait on")
    inside = "def f():\n    return get_ipython().run_line_magic('run_memory', 'program')\nf()"
    kernel.run("program = fx.succeed(7)")
    assert kernel.run(inside).shown[-1]["text/plain"] == "Ok(value=7)"


def test_a_run_can_be_left_to_itself(kernel: Kernel, folder: Path) -> None:
    gate = folder / "detached"
    kernel.run(slow(options="--detach", gate=gate), cell="h")  # it ends, and the run cannot have
    shown = kernel.run("result").shown[-1]
    assert "running" in shown["text/html"]
    gate.touch()
    assert kernel.run("await result.result()").shown[-1]["text/plain"] == "Ok(value=28)"


def test_capabilities_run_on_the_kernels_own_loop(kernel: Kernel) -> None:
    kernel.run(
        "from abc import abstractmethod\n"
        "class Here(fx.Capability):\n"
        "    @abstractmethod\n"
        "    async def same(self) -> bool: ...\n"
        "class Mine(Here):\n"
        "    def __init__(self): self.loop = asyncio.get_running_loop()\n"
        "    async def same(self) -> bool: return asyncio.get_running_loop() is self.loop\n"
        "await asyncio.sleep(0)\n"
        "env = Here.of(Mine())"
    )
    kernel.run("%%run_dist --env env -o same\nHere.call(Here.same)", cell="i")
    assert kernel.value("same") == "Ok(value=True)"


def test_an_error_of_the_users_own_code_keeps_its_trace_and_nothing_else(kernel: Kernel) -> None:
    ran = kernel.run("%%run_dist\nfx.succeed(1).map(lambda n: n / 0)", cell="j", check=False)
    assert ran.status == "error"
    assert "n / 0" in ran.error
    assert "_walk.py" not in ran.error


def test_the_memory_run_shows_the_same_tree(kernel: Kernel) -> None:
    ran = kernel.run(
        "%%run_memory -o result\n"
        "@fx.task('t::double')\n"
        "def double(n: int) -> int: return 2 * n\n"
        "double.for_each(range(4)).map(sum).named('total')",
        cell="k",
    )
    _, shown = ran.shown
    assert "✓ total" in shown["text/plain"]
    assert kernel.value("result") == "Ok(value=12)"


def test_loading_again_and_taking_away(folder: Path) -> None:
    with started_kernel(folder / "reload") as kernel:
        kernel.run(SETUP + "\n%reload_ext agentfx\n%reload_ext agentfx")
        hooks = "[type(t).__name__ for t in get_ipython().input_transformers_post].count"
        assert kernel.value(f"{hooks}('AwaitMagics')") == "1"
        kernel.run("%unload_ext agentfx")
        assert kernel.value(f"{hooks}('AwaitMagics')") == "0"
        assert kernel.run("%runs", check=False).status == "error"
        kernel.run("%load_ext agentfx")
        assert "no engine" in kernel.run("%agentfx").shown[-1]["text/plain"]


def test_the_kernel_dies_and_the_cell_goes_on(folder: Path) -> None:
    gate = folder / "restarted"
    source = slow(items=12, gate=gate)
    with started_kernel(folder / "restart") as kernel:
        kernel.run(SETUP)
        kernel.start(source, cell="cell-1")
        kernel.open_panel()
        until_reached(gate)
        kernel.restart()
        gate.touch()
        kernel.run(SETUP)
        ran = kernel.run(source, cell="cell-1")
        assert "this cell's unfinished run" in ran.text
        text = ran.shown[-1]["text/plain"]
        assert "from the record" in text
        assert "0 finished jobs run again" in text
        assert kernel.value("result") == "Ok(value=66)"
        kernel.run("%agentfx down")


def test_a_second_kernel_uses_the_cluster_and_keeps_it(folder: Path) -> None:
    place = folder / "two"
    with started_kernel(place) as second:
        with started_kernel(place) as first:
            first.run(SETUP)
            first.run("%agentfx up")
            first.run(slow(items=2), cell="x")
            second.run(SETUP)
            second.run("%agentfx up")
            assert listed(second, "runs", "id") == listed(first, "runs", "id") != []
            labels = listed(first, "workers", "label")
            assert listed(second, "workers", "label") == labels
        time.sleep(0.5)
        assert listed(second, "workers", "label") == labels
        second.run(slow(items=2), cell="y")
        pids = [int(pid) for pid in listed(second, "workers", "pid")]
        second.run("%agentfx down")
    asyncio.run(eventually(lambda: not any(map(is_alive, pids))))


def listed(kernel: Kernel, magic: str, column: str) -> list[str]:
    kernel.run(f"listed = %{magic}")
    return sorted(kernel.value(f"' '.join(map(str, listed['{column}']))").strip("'").split())
