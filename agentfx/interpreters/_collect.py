"""Running a stream: what `Flow` decides, done with tasks, and noted so that it can be resumed."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from agentfx.algebra import Arriving, Collect, Of, Ok, brief, stages_of
from agentfx.interpreters._certainty import Begins, about_to_begin
from agentfx.interpreters._inners import Inners, MakeChild
from agentfx.interpreters._mailbox import Event, Mailbox, decode_batch, encode_batch
from agentfx.interpreters._reading import Reading
from agentfx.interpreters._scope import Step
from agentfx.interpreters._tape import HIDDEN, Note
from agentfx.interpreters._timers import Timers
from agentfx.interpreters._walk_types import AnyExit, Leaves
from agentfx.streams import Action, Arm, Begin, Disarm, Drop, Flow


class Collecting:
    """One run of a stream.

    What happens is noted before anything comes of it, in the order in which it happened. From
    these notes `Flow` finds its way back; what was under way then is under way again.

    Args:
        node: What to run.
        step: Its place in the run.
        leaves: Of the interpreter.
        child: Makes the walk of an effect at a path.
        count: Told of steps that are noted.
    """

    def __init__(
        self,
        node: Collect[Any, Any, Any],
        step: Step,
        leaves: Leaves,
        child: MakeChild,
        count: Callable[[int], None],
    ) -> None:
        self._step = replace(step, label=step.label or brief(node))
        self._leaves, self._tape, self._count = leaves, leaves.tape, count
        self._source, stages = stages_of(node.first)
        self._flow = Flow(stages)
        self._group, self._mailbox = asyncio.TaskGroup(), Mailbox()
        self._inners = Inners(step, stages, leaves, child, self._group, self._mailbox)
        self._timers = Timers(leaves.clock, self._group, self._mailbox)
        self._reading: Reading | None = None
        if isinstance(self._source, Arriving):
            self._reading = Reading(step, self._source, self._flow, self._group, self._mailbox)
        self._noted = 0

    async def run(self) -> AnyExit:
        """Run it to its end; nothing of it is left when this returns."""
        self._leaves.opened(self._step)
        defect: BaseException | None = None
        try:
            async with self._group:
                await self._to_the_end()
        except BaseExceptionGroup as defects:
            defect = defects.exceptions[0]
        if defect is not None:
            raise defect  # unchanged: the group is ours
        exit_ = self._flow.exit
        assert exit_ is not None  # noqa: S101 - the loop ends with it
        return exit_

    async def _to_the_end(self) -> None:
        if isinstance(self._source, Of):
            await self._perform(self._all_at_once(self._source.items))
        while (noted := self._tape.noted(self._next_note(), "stream")) is not None:
            self._noted += 1
            await self._replay(decode_batch(noted))
        replayed = self._noted
        await self._go_live()
        while self._flow.exit is None:
            await self._take(await self._mailbox.batch())
        # After a failure the run may be redriven: its fences go when it does.
        if isinstance(self._flow.exit, Ok) and self._noted > replayed:
            await self._inners.drop_fences()

    def _all_at_once(self, items: Iterable[Any]) -> list[Action]:
        """Items that are known beforehand: nothing happens between two of them."""
        actions: list[Action] = []
        for item in items:
            if not self._flow.wants_items:
                break
            actions += self._flow.item(item)
        return [*actions, *self._flow.closed()]

    def _next_note(self) -> str:
        return f"{self._step.path}/e{self._noted + 1}{HIDDEN}"

    async def _take(self, batch: Sequence[Event]) -> None:
        self._count(len(batch))
        await self._tape.note(Note(self._next_note(), "stream", encode_batch(batch)))
        self._noted += 1
        await self._perform([action for event in batch for action in self._feed(event)])
        if self._reading is not None:
            self._reading.keep_up()

    async def _replay(self, batch: Sequence[Event]) -> None:
        for event in batch:
            if event.kind == "ended":
                await self._inners.rerun(event.key)
        await self._perform([action for event in batch for action in self._feed(event)])

    async def _go_live(self) -> None:
        """What was under way when the record ends is under way again."""
        await self._inners.go_live()
        self._timers.go_live()
        if self._flow.exit is None:
            await about_to_begin(Begins.IDENTIFIED)
            if self._reading is not None:
                self._reading.begin()

    def _feed(self, event: Event) -> list[Action]:
        match event.kind:
            case "item":
                assert self._reading is not None  # noqa: S101 - no other source has them
                return self._flow.item(self._reading.item(event.text))
            case "closed":
                return self._flow.closed()
            case "silent":
                self._timers.fired(event.key)
                return self._flow.silent(*event.key)
            case _:
                exit_ = self._inners.exit_of(event.key)
                if exit_ is None or not self._flow.runs(*event.key):
                    return []  # dropped in the same moment
                self._inners.forget(event.key)
                return self._flow.ended(*event.key, exit_)

    async def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, (Arm, Disarm)):
                self._timers.set(action)
        await self._inners.perform([a for a in actions if isinstance(a, (Begin, Drop))])
