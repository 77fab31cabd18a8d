"""The meaning of `Fence.guard`, the same under both interpreters."""

from dataclasses import replace
from typing import Any

from agentfx.algebra import Err, Guard, Superseded
from agentfx.interpreters._certainty import (
    Begins,
    UncertainError,
    about_to_begin,
    allowed,
    allowing,
)
from agentfx.interpreters._scope import Step
from agentfx.interpreters._tape import Note, Tape
from agentfx.interpreters._walk_types import AnyExit, Child, Leaves
from agentfx.streams import fence_line

FIRED = "fired"


async def guard(node: Guard[Any, Any, Any], step: Step, leaves: Leaves, child: Child) -> AnyExit:
    """Run an effect if its epoch is the latest, and nobody else has run it.

    Noted are, in this order: that it may begin, before it does; and how it ended. A driver that
    finds the first note without the second takes up the claim, as far as that is certain.
    """
    tape, epoch, begun = leaves.tape, node.fence.epoch, f"{step.path}/0"
    ended = tape.noted(step.path, "fence")
    if ended is not None:
        return await child() if ended == FIRED else _superseded(epoch, ended, step)
    taken_up = tape.noted(begun, "fence") is not None
    if not taken_up:
        await about_to_begin(Begins.IDENTIFIED)
    verdict = await _claim(node, step, tape)
    if verdict != "granted" and not taken_up:
        return await _refuse(tape, epoch, verdict, step)
    leaves.opened(replace(step, label=step.label or node.text().lstrip(".")))
    begins = Begins.ANYTHING
    if taken_up:
        # Overtaken since: what an earlier driver left undone is not begun now.
        begins = Begins.IDENTIFIED if verdict == "granted" else Begins.NOTHING
    else:
        await tape.note(Note(begun, fence_line("passed", epoch)))
    try:
        with allowing(begins):
            exit_ = await child()
    except UncertainError:
        if allowed() is Begins.NOTHING:
            raise  # cancelled, not uncertain
        return await _refuse(tape, epoch, "uncertain", step)
    await tape.note(Note(step.path, fence_line("done", epoch), FIRED))
    return exit_


async def _claim(node: Guard[Any, Any, Any], step: Step, tape: Tape) -> str:
    fence = node.fence
    name = node.step or step.path.removeprefix(f"{fence.at}/")
    claimant = f"{tape.identity}/{step.path}"
    return await tape.claim((fence.scope, fence.key), fence.epoch, name, claimant)


async def _refuse(tape: Tape, epoch: int, reason: str, step: Step) -> AnyExit:
    await tape.note(Note(step.path, fence_line("refused", epoch, reason), reason))
    return _superseded(epoch, reason, step)


def _superseded(epoch: int, reason: Any, step: Step) -> AnyExit:
    return Err(Superseded(epoch=epoch, reason=reason), step.path)
