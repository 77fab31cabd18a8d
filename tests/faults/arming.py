"""Clusters whose processes kill themselves where a test says so; see `killing`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import agentfx as fx
from tests.faults import killing
from tests.waiting import eventually, is_alive


@dataclass
class Armed:
    """A cluster, and the file that says where one of its processes dies next."""

    cluster: fx.Cluster
    file: Path

    def arm(self, point: str, when: str) -> None:
        """The next process that comes there dies, `before` or `after`."""
        ready = self.file.with_suffix(".ready")
        ready.write_text(f"{point} {when}")
        ready.replace(self.file)

    async def dead(self) -> None:
        """Wait until it has died there."""
        await eventually(lambda: not self.file.exists())
        dying = {int(path.suffix[1:]) for path in self.file.parent.glob(f"{self.file.stem}.[0-9]*")}
        await eventually(lambda: not any(map(is_alive, dying)))

    async def all_there(self) -> None:
        """Wait until engine and workers are back."""
        await self.cluster.joined(["w1", "w2"])


@asynccontextmanager
async def armed_cluster(
    folder: Path, patch: pytest.MonkeyPatch, *, slots: int = 4
) -> AsyncGenerator[Armed]:
    """A cluster of two workers whose processes can be armed."""
    file = folder / "armed"
    with patch.context() as environment:
        environment.setenv("AGENTFX_TEST_ARM", str(file))
        environment.setenv("PYTHONPATH", str(Path(killing.__file__).parent))
        async with fx.local(workers=2, slots=slots, home=str(folder / "home")) as cluster:
            yield Armed(cluster, file)
