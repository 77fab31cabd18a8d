"""What a measurement says, and how it is shown and kept."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Floor:
    """What the same machine does at least for the same thing, measured beside it."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        value: Median over the rounds.
        unit: Of the value, and of the floor's.
        floor: The yardstick of the same run, in the same unit.
        aim: What is asked for: of the value, or of its ratio to the floor.
        aim_of: What the aim is compared with.
        more_is_better: For rates; times and sizes are better when less.
        spread: Lowest and highest of the rounds.
    """

    name: str
    value: float
    unit: str
    floor: Floor | None = None
    aim: float | None = None
    aim_of: Literal["value", "ratio"] = "value"
    more_is_better: bool = False
    spread: tuple[float, float] | None = None

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of its floor."""
        return self.value / self.floor.value if self.floor and self.floor.value else None

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        compared = self.value if self.aim_of == "value" else self.ratio
        if self.aim is None or compared is None:
            return None
        return compared >= self.aim if self.more_is_better else compared <= self.aim


def median(values: Sequence[float]) -> float:
    """The middle of some values; robust against one lucky or unlucky round."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def in_turn(
    count: int, measure: Callable[[], float], floor: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Measure a thing and its floor in turn, so that both see the same moods of the machine."""
    pairs = [(measure(), floor()) for _ in range(count)]
    return [value for value, _ in pairs], [yardstick for _, yardstick in pairs]


def show(figures: Iterable[Figure], console: Console) -> None:
    """Print figures as a table."""
    table = Table(box=None, header_style="bold")
    for heading in ("measured", "floor", "ratio", "aim", "reached"):
        if heading == "measured":
            table.add_column("figure", overflow="fold")
        table.add_column(heading, justify="right")
    for figure in figures:
        ratio = f"{figure.ratio:.2f} x" if figure.ratio is not None else ""
        floor = f"{_number(figure.floor.value)}  ({figure.floor.name})" if figure.floor else ""
        aim = "" if figure.aim is None else _number(figure.aim)
        unit = " x" if figure.aim_of == "ratio" else f" {figure.unit}"
        table.add_row(
            figure.name,
            f"{_number(figure.value)} {figure.unit}",
            floor,
            ratio,
            aim and aim + unit,
            {True: "yes", False: "no", None: ""}[figure.reached],
        )
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def save(figures: Iterable[Figure], path: Path) -> None:
    """Write figures as JSON, with the machine they were measured on."""
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
    rows = [
        asdict(figure) | {"ratio": figure.ratio, "reached": figure.reached} for figure in figures
    ]
    path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n")
