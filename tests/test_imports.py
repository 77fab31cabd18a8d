"""What an import brings along: little, so that it is fast and needs no engine."""

import json
import subprocess
import sys

import pytest

HEAVY = {"iii", "pandas", "hypothesis", "pydantic", "websockets", "sqlite3", "IPython", "rich"}

IN_MEMORY = """
import agentfx as fx

@fx.task("imports::double")
def double(n: int) -> int:
    return 2 * n

assert fx.run_memory_sync(double.for_each([1, 2, 3]).map(sum)) == fx.Ok(12)
"""


def _loaded(code: str) -> set[str]:
    """The packages that a new process has after running some code."""
    show = "import json, sys; print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(ran.stdout))


def test_the_package_brings_nothing_heavy() -> None:
    assert _loaded("import agentfx") & HEAVY == set()


def test_a_run_in_memory_needs_pydantic_alone() -> None:
    assert _loaded(IN_MEMORY) & HEAVY == {"pydantic"}


@pytest.mark.parametrize("name", ["run_dist", "remote"])
def test_what_is_late_is_there_all_the_same(name: str) -> None:
    assert _loaded(f"import agentfx; agentfx.{name}") >= {"agentfx"}


def test_the_command_line_waits_for_nothing_that_a_command_needs() -> None:
    """Nor does it bring tasks: `agentfx up` would give its workers those of the demonstrations."""
    show = "import json, sys, agentfx.cli; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    loaded = set(json.loads(ran.stdout))
    assert loaded & (HEAVY - {"rich"}) == set()
    ours = {name.split(".")[1] for name in loaded if name.startswith("agentfx.")}
    assert ours & {"cluster", "contracts", "demos", "harness", "notebook", "services"} == set()
