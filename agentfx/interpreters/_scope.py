"""Numbering of durable steps."""

from dataclasses import dataclass

from agentfx._errors import AgentfxError

STEP_LIMIT = 50_000
"""Durable steps of one run; an endless program has to be cut into runs."""


class TooManyStepsError(AgentfxError):
    """A run has more durable steps than a journal holds."""

    def __init__(self) -> None:
        super().__init__(
            f"a run has at most {STEP_LIMIT:,} durable steps: split the program into several runs"
        )


@dataclass(frozen=True, slots=True)
class Step:
    """Where a leaf stands in its run.

    Attributes:
        path: Such as `3/17/2`.
        label: The name given by `.named`, None without one.
        attempt: Number of the attempt that `.retry` makes, from 1.
        index: Of the item, for a fan-out over a task.
    """

    path: str
    label: str | None = None
    attempt: int = 1
    index: int | None = None


class StepCount:
    """Counts the durable steps of a run."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def add(self, steps: int) -> None:
        """Count more steps.

        Raises:
            TooManyStepsError: There are more than the limit.
        """
        self.count += steps
        if self.count > STEP_LIMIT:
            raise TooManyStepsError


class Scope:
    """Numbers the steps of one sequence, from 1."""

    __slots__ = ("_count", "_last", "_prefix")

    def __init__(self, count: StepCount, prefix: str = "") -> None:
        self._count, self._prefix, self._last = count, prefix, 0

    def step(self) -> str:
        """The path of the next step."""
        self._count.add(1)
        self._last += 1
        return f"{self._prefix}{self._last}"

    @property
    def last(self) -> str:
        """The path of the latest step, or of the scope before its first."""
        return f"{self._prefix}{self._last}" if self._last else self._prefix.rstrip("/") or "start"

    def count(self, steps: int) -> None:
        """Count steps that are numbered elsewhere.

        Raises:
            TooManyStepsError: The run has too many.
        """
        self._count.add(steps)

    def inner(self, path: str) -> "Scope":
        """The scope that the step at `path` opens."""
        return Scope(self._count, f"{path}/")
