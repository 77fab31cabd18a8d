"""The meaning of `Fence.guard`, the same under both interpreters."""

from contextvars import ContextVar
from typing import Any

from agentfx.algebra import Err, Guard, Superseded
from agentfx.interpreters._scope import Step
from agentfx.interpreters._tape import Tape
from agentfx.interpreters._walk_types import AnyExit, Child

_taken_up: ContextVar[bool] = ContextVar("agentfx_taken_up", default=False)
"""The effect was begun by a driver that is gone: what it did without a record is not known."""

FIRED = "fired"


class UncertainError(Exception):
    """A step may have run, and nobody can say."""


def must_be_certain() -> None:
    """Called before a driver's own step runs that is not on record.

    Jobs need no such care: they have identities, and are found again by them.

    Raises:
        UncertainError: An earlier driver may have run it.
    """
    if _taken_up.get():
        raise UncertainError


async def guard(node: Guard[Any, Any, Any], step: Step, tape: Tape, child: Child) -> AnyExit:
    """Run an effect if its epoch is the latest, and nobody else has run it.

    Noted are, in this order: that it may begin, before it does; and how it ended. A driver that
    finds the first note without the second takes up the claim, as far as that is certain.
    """
    epoch, begun = node.fence.epoch, f"{step.path}/begun"
    ended = tape.noted(step.path)
    if ended is not None:
        return await child() if ended[1] == FIRED else _refused(epoch, ended[1], step)
    taken_up = tape.noted(begun) is not None
    if not taken_up:
        name = node.step or step.path.removeprefix(f"{node.fence.at}/")
        claimant = f"{tape.identity}/{step.path}"
        verdict = await tape.claim(node.fence.key, epoch, name, claimant)
        if verdict != "granted":
            return await _refuse(tape, epoch, verdict, step)
        await tape.note(begun, f"fence passed, epoch {epoch}")
    token = _taken_up.set(taken_up)
    try:
        exit_ = await child()
    except UncertainError:
        return await _refuse(tape, epoch, "uncertain", step)
    finally:
        _taken_up.reset(token)
    await tape.note(step.path, f"effect done, epoch {epoch}", FIRED)
    return exit_


async def _refuse(tape: Tape, epoch: int, reason: str, step: Step) -> AnyExit:
    await tape.note(step.path, f"fence refused, epoch {epoch}: {reason}", reason)
    return _refused(epoch, reason, step)


def _refused(epoch: int, reason: Any, step: Step) -> AnyExit:
    return Err(Superseded(epoch=epoch, reason=reason), step.path)
