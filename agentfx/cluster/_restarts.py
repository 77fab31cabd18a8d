"""When a process that has ended is started again: at once, then later and later."""

STEADY_SECONDS = 10.0
"""Whoever has run so long was well: its end counts as the first."""
_DELAYS_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
MOST_FAILURES = len(_DELAYS_SECONDS)
"""Ends in quick succession after which a process that never served is given up."""


def failures_after(failures: int, ran_seconds: float) -> int:
    """Ends in quick succession, with another one after a life of some seconds."""
    return 0 if ran_seconds > STEADY_SECONDS else failures + 1


def delay_seconds(failures: int) -> float:
    """How long to wait after so many ends in quick succession."""
    return _DELAYS_SECONDS[min(max(failures - 1, 0), len(_DELAYS_SECONDS) - 1)]
