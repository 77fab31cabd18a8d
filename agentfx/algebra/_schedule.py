"""When to try again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from agentfx.algebra._failure import ContractViolation, Failure


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often and how soon a replayable effect is tried again.

    Attributes:
        attempts: Attempts in all, the first one included.
        base_seconds: Delay before the second attempt; doubles with each further one.
        cap_seconds: No delay is longer.
        when: Decides by the failure; None tries again after all but a `ContractViolation`.
    """

    attempts: int
    base_seconds: float = 0.0
    cap_seconds: float = 0.0
    when: Callable[[Any], bool] | None = None

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.attempts), int):
            raise TypeError(
                f"a retry takes a number of attempts, not {self.attempts!r}, or a schedule such as "
                "fx.exponential(0.1)"
            )
        if self.attempts < 1:
            raise ValueError(f"a retry makes at least 1 attempt in all, not {self.attempts}")
        for seconds in (self.base_seconds, self.cap_seconds):
            if not (isinstance(cast("object", seconds), (int, float)) and seconds >= 0):
                raise ValueError(f"a delay takes seconds from 0, not {seconds!r}")

    def __str__(self) -> str:
        if not self.base_seconds and self.when is None:
            return str(self.attempts)
        return f"exponential({self.base_seconds:g}, attempts={self.attempts})"

    def delay_after(self, attempt: int, error: Failure, chance: float) -> float | None:
        """Seconds to wait after the failure of an attempt, None to give up.

        Args:
            attempt: Number of the attempt that failed, from 1.
            error: What it failed with.
            chance: In [0, 1); spreads the delay between half and all of its length.
        """
        if attempt >= self.attempts or not self._wanted(error):
            return None
        full = min(self.base_seconds * 2.0 ** (attempt - 1), self.cap_seconds)
        return full * (0.5 + 0.5 * chance)

    def _wanted(self, error: Failure) -> bool:
        if self.when is None:
            return not isinstance(error, ContractViolation)
        return self.when(error)


def attempts(count: int) -> Schedule:
    """Try at once, `count` times in all."""
    return Schedule(count)


def exponential(
    base: float,
    *,
    cap: float = 60.0,
    attempts: int = 5,
    when: Callable[[Any], bool] | None = None,
) -> Schedule:
    """Wait `base` seconds, then twice as long each time, with jitter.

    Args:
        base: Seconds before the second attempt.
        cap: No delay is longer than this many seconds.
        attempts: Attempts in all.
        when: Whether a failure is worth another attempt.
    """
    return Schedule(attempts, base, cap, when)
