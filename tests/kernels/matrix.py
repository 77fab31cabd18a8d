"""Which clicks arrive when, on the kernel of another environment: `make kernels`.

A change upstream is noticed here. What is expected is in a table, by the version of ipykernel,
how the cell waits, and whether the front end asks for a subshell, as JupyterLab does.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from agentfx.notebook._clicks import click_notice, major_minor
from tests.notebook.kernel import Kernel, started_kernel

pytestmark = pytest.mark.timeout(300)

PYTHON = os.environ["AGENTFX_KERNEL"]
CELL = """{around}%%run_dist -o result
@fx.task("kernels::wait")
async def wait(n: int) -> int:
    await asyncio.sleep(0.5)
    return n

wait.for_each(range(20), concurrency=4).map(sum)
"""
AROUND = {"awaited": "", "blocking": "%%time\n"}
# (mode, subshell) of clicks that are heard while the cell runs
DURING = {
    "old": set[tuple[str, bool]](),
    "7.0": {("awaited", True), ("blocking", True)},
    "7.4": {("awaited", True), ("blocking", True), ("awaited", False)},
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Generator[Kernel]:
    with started_kernel(tmp_path_factory.mktemp("kernel"), python=PYTHON) as kernel:
        kernel.run("%load_ext agentfx\nimport agentfx as fx, asyncio")
        kernel.run("%agentfx up")
        yield kernel
        kernel.run("%agentfx down")


@pytest.fixture(scope="module")
def version(kernel: Kernel) -> str:
    return str(kernel.value("__import__('ipykernel').__version__")).strip("'")


def generation(version: str) -> str:
    numbers = major_minor(version)
    return "old" if numbers < (7, 0) else "7.0" if numbers < (7, 4) else "7.4"


def test_the_kernel_is_the_one_that_was_asked_for(version: str) -> None:
    asked = Path(PYTHON).parent.parent.name
    assert version == asked if asked != "newest" else generation(version) == "7.4"


@pytest.mark.parametrize("with_subshell", [True, False], ids=["JupyterLab", "other"])
@pytest.mark.parametrize("mode", AROUND)
def test_a_click_is_heard_when_the_table_says(
    kernel: Kernel, version: str, mode: str, with_subshell: bool
) -> None:
    subshell = kernel.subshell() if with_subshell else None
    cell = kernel.start(CELL.format(around=AROUND[mode]), cell=f"{mode}-{with_subshell}")
    panel = kernel.open_panel()
    kernel.click(panel, subshell=subshell, op="resync", id="1")
    ran = kernel.collect(cell)
    assert ran.status == "ok", ran.error
    assert kernel.value("result") == "Ok(value=190)"
    heard = bool(ran.comm("heard"))
    assert heard == ((mode, with_subshell) in DURING[generation(version)])


@pytest.mark.parametrize("mode", AROUND)
def test_the_panel_says_so_where_a_click_may_not_be_heard(
    kernel: Kernel, version: str, mode: str
) -> None:
    expected = {("awaited", "7.4"): None}.get((mode, generation(version)), "click")
    said = click_notice(mode, version)
    assert said is None if expected is None else expected in (said or "")
    shown = kernel.run(CELL.format(around=AROUND[mode]), cell=f"said-{mode}").messages
    opened = [c["data"]["state"] for _, kind, c in shown if kind == "comm_open"]
    (state,) = [s["state"] for s in opened if "state" in s]
    assert state["tables"]["run"]["run"].get("notice") == said
