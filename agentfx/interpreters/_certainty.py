"""What may begin that is not on record, where an earlier driver may have begun it already."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

from agentfx._clock import SystemClock


class Begins(IntEnum):
    """What may begin, though it is not on record.

    Attributes:
        ANYTHING: The usual case: steps run at least once.
        IDENTIFIED: What has an identity by which it is found again, as jobs have; steps of the
            driver have none: what they did without a record is not known.
        NOTHING: What has been cancelled; what others have overtaken.
    """

    NOTHING = 0
    IDENTIFIED = 1
    ANYTHING = 2


_allowed: ContextVar[Begins] = ContextVar("agentfx_begins", default=Begins.ANYTHING)


class UncertainError(Exception):
    """Something may have begun, and must not begin again."""


def allowed() -> Begins:
    """What may begin here."""
    return _allowed.get()


@contextmanager
def allowing(begins: Begins) -> Generator[None, None, None]:
    """Restrict what may begin; what is restricted already stays so."""
    token = _allowed.set(min(begins, _allowed.get()))
    try:
        yield
    finally:
        _allowed.reset(token)


@contextmanager
def cleaning_up() -> Generator[None, None, None]:
    """Finalizers run at least once, whatever their body was restricted to."""
    token = _allowed.set(Begins.ANYTHING)
    try:
        yield
    finally:
        _allowed.reset(token)


async def about_to_begin(what: Begins) -> None:
    """Called before something begins that is not on record.

    Raises:
        UncertainError: It must not.
    """
    if _allowed.get() < what:
        # What runs beside this comes as far as its record goes, to clean up from there.
        await SystemClock().sleep(0)
        raise UncertainError
