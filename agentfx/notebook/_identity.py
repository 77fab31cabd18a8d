"""Which run is a cell's own: found again after the kernel died."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from agentfx.algebra import AnyEffect, fingerprint
from agentfx.jobs import new_run_id


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=5).hexdigest()


@dataclass(frozen=True, slots=True)
class CellKey:
    """A cell of a notebook, and the code that it runs; both end the ids of its runs.

    Attributes:
        cell: Of the cell, whatever it says.
        code: Of what it says.
    """

    cell: str
    code: str

    @classmethod
    def of(cls, notebook: str, cell: str, code: str, program: AnyEffect) -> "CellKey":
        """From the notebook's name, the cell's id, its source, and the program it runs."""
        return cls(_digest(notebook, cell), _digest(code, fingerprint(program)))

    def new_run(self, wall: float, entropy: str) -> str:
        """An id for a run of the cell."""
        return f"{new_run_id(wall, entropy)}-{self.cell}-{self.code}"


def unfinished(rows: Iterable[Mapping[str, Any]], key: CellKey) -> tuple[str | None, str | None]:
    """Of runs, newest first: the cell's unfinished one, and one that has other code."""
    same: str | None = None
    other: str | None = None
    for row in rows:
        run = str(row["id"])
        if row["status"] not in ("running", "waiting") or f"-{key.cell}-" not in run:
            continue
        if run.endswith(f"-{key.code}"):
            same = same or run
        else:
            other = other or run
    return same, other
