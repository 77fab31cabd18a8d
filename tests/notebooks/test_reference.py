"""docs/notebook.md: its cells run, in their order, and it names all that the magics take."""

import re
from pathlib import Path

import pytest

from agentfx.notebook._agent_arguments import AGENT_PARSERS
from agentfx.notebook._arguments import PARSERS
from tests.notebook.kernel import started_kernel

PAGE = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text()
CELLS = re.findall(r"```ipython\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_its_cells_run(tmp_path: Path) -> None:
    assert len(CELLS) > 10
    with started_kernel(tmp_path) as kernel:
        for number, cell in enumerate(CELLS):
            kernel.run(cell, cell=f"cell-{number}")


@pytest.mark.parametrize("name", [*PARSERS, *AGENT_PARSERS, "effect"])
def test_it_names_every_magic(name: str) -> None:
    assert re.search(rf"%{name}\b", PAGE)


@pytest.mark.parametrize("name", PARSERS)
def test_it_names_every_option(name: str) -> None:
    assert [option for option in PARSERS[name].options() if option not in PAGE] == []
