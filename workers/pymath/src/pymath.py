"""What the worker computes: models, functions, and the failures that they declare.

Nothing here knows of iii. The JSON Schemas of the models are the contracts.
"""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

JSON_INTEGERS = range(-(2**63), 2**64)
"""Integers that every engine passes on as they are; larger ones would arrive as floats."""


class Strict(BaseModel):
    """A model that takes values as they are, and nothing that it does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


Number = int | float


class DeclaredError(Exception):
    """A failure that a contract lists; its fields are `model`."""

    def __init__(self, model: BaseModel) -> None:
        super().__init__(type(model).__name__)
        self.model = model


class DivisionByZero(Strict):
    """The divisor is zero."""

    dividend: Number


class EmptySeries(Strict):
    """A series has no values to measure."""

    label: str


class AddInput(Strict):
    """Two summands."""

    a: Number = Field(description="First summand.")
    b: Number = Field(description="Second summand.")


class AddResult(Strict):
    """Their sum."""

    sum: Number


class DivideInput(Strict):
    """Two numbers."""

    a: Number = Field(description="Dividend.")
    b: Number = Field(description="Divisor.")


class DivideResult(Strict):
    """Their quotient."""

    quotient: float


class Measure(StrEnum):
    """What can be measured."""

    mean = "mean"
    median = "median"
    stdev = "stdev"
    range = "range"


class Series(Strict):
    """Named values."""

    label: Annotated[str, Field(min_length=1)]
    values: list[Number]
    unit: str | None = None


class Digits(Strict):
    """Round to some digits after the point."""

    kind: Literal["digits"]
    digits: Annotated[int, Field(ge=0, le=12)]


class Exact(Strict):
    """Do not round."""

    kind: Literal["exact"]


class StatsInput(Strict):
    """Series, and what to measure of them."""

    series: Annotated[list[Series], Field(min_length=1)]
    measures: list[Annotated[Measure, Field(strict=False)]] = Field(
        default_factory=lambda: [Measure.mean], description="What to measure; the mean without it."
    )
    rounding: Annotated[Digits | Exact, Field(discriminator="kind")] = Exact(kind="exact")


class Measured(Strict):
    """The measures of one series, by name."""

    label: str
    count: int
    unit: str | None
    measures: dict[str, float]


class StatsResult(Strict):
    """Measures of each series, and the longest one's label."""

    results: list[Measured]
    longest: str


class EchoInput(Strict):
    """Any JSON value."""

    value: Any


class EchoResult(Strict):
    """The same value."""

    value: Any


def add(given: AddInput) -> AddResult:
    """Add two numbers."""
    return AddResult(sum=given.a + given.b)


def divide(given: DivideInput) -> DivideResult:
    """Divide one number by another."""
    if given.b == 0:
        raise DeclaredError(DivisionByZero(dividend=given.a))
    return DivideResult(quotient=given.a / given.b)


def stats(given: StatsInput) -> StatsResult:
    """Measure series of values."""
    results = [_measured(series, given) for series in given.series]
    longest = max(given.series, key=lambda series: len(series.values))
    return StatsResult(results=results, longest=longest.label)


def echo(given: EchoInput) -> EchoResult:
    """Give back what was given."""
    return EchoResult(value=given.value)


def _measured(series: Series, given: StatsInput) -> Measured:
    if not series.values:
        raise DeclaredError(EmptySeries(label=series.label))
    measures = {
        measure.value: _rounded(_MEASURES[measure](series.values), given.rounding)
        for measure in given.measures
    }
    return Measured(
        label=series.label, count=len(series.values), unit=series.unit, measures=measures
    )


def _rounded(value: float, rounding: Digits | Exact) -> float:
    return round(value, rounding.digits) if isinstance(rounding, Digits) else value


_MEASURES: dict[Measure, Callable[[list[Number]], float]] = {
    Measure.mean: lambda values: float(statistics.fmean(values)),
    Measure.median: lambda values: float(statistics.median(values)),
    Measure.stdev: lambda values: float(statistics.pstdev(values)),
    Measure.range: lambda values: float(max(values) - min(values)),
}


@dataclass(frozen=True)
class Function:
    """A function, with all that its contract says."""

    id: str
    run: Callable[[Any], BaseModel]
    takes: type[BaseModel]
    gives: type[BaseModel]
    errors: tuple[type[BaseModel], ...] = ()


FUNCTIONS = (
    Function("pymath::add", add, AddInput, AddResult),
    Function("pymath::divide", divide, DivideInput, DivideResult, (DivisionByZero,)),
    Function("pymath::stats", stats, StatsInput, StatsResult, (EmptySeries,)),
    Function("pymath::echo", echo, EchoInput, EchoResult),
)


def refuse_inexact(value: Any) -> None:
    """Refuse what JSON over iii would change silently.

    Raises:
        ValueError: There is a NaN, an infinity, or an integer beyond 64 bits.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if isinstance(value, int) and value not in JSON_INTEGERS:
        raise ValueError(f"{value} does not fit into 64 bits")
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.values())  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        inner = value  # pyright: ignore[reportUnknownVariableType]
    for item in inner:
        refuse_inexact(item)
