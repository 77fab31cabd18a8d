"""What notebooks use, in a plain script: it ends when its last line is done."""

import subprocess
import sys
from pathlib import Path

import pytest

from agentfx.cluster import Home
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SCRIPT = """
from agentfx.notebook import workers

print(len(workers()), "workers")
"""


async def test_a_script_that_uses_the_kit_ends_and_so_does_its_cluster(tmp_path: Path) -> None:
    ran = subprocess.run(  # noqa: ASYNC221 - nothing else has to go on meanwhile
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, timeout=50
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0 workers\n", "")
    await eventually(lambda: Home(tmp_path / ".agentfx").find() is None)
