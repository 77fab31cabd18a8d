"""The effects of a stream's items: begun behind fences, dropped, begun again on resumption."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentfx.algebra import AnyEffect, Fence, FlatMap, Merged, Stage, Succeed, Switched
from agentfx.interpreters._certainty import Begins, UncertainError, allowing
from agentfx.interpreters._epochs import Epochs
from agentfx.interpreters._mailbox import Event, Key, Mailbox
from agentfx.interpreters._scope import Step
from agentfx.interpreters._tape import Note
from agentfx.interpreters._walk_types import AnyExit, Child, Leaves
from agentfx.streams import OUTRUN, PREEMPTED, Begin, Drop

MakeChild: TypeAlias = Callable[[AnyEffect, str], Child]
"""Makes the walk of an effect at a path."""


@dataclass(slots=True, eq=False)
class _Inner:
    """The effect of an item."""

    begin: Begin
    path: str
    task: "asyncio.Task[None] | None" = None
    exit: AnyExit | None = None
    dropped: bool = False

    @property
    def key(self) -> Key:
        """Of its item."""
        return self.begin.stage, self.begin.number

    @property
    def place(self) -> tuple[int, int, str]:
        """Stage, number and path."""
        return *self.key, self.path

    @property
    def stop(self) -> str:
        """Path of the note that it was stopped."""
        return f"{self.path}/stop"


class Inners:
    """The effects that run, or would run if the record were not being replayed.

    Args:
        step: The stream's.
        stages: Of the stream.
        leaves: Of the interpreter.
        child: See `MakeChild`.
        group: Owns what runs.
        mailbox: Told of what has ended.
    """

    def __init__(
        self,
        step: Step,
        stages: Sequence[Stage],
        leaves: Leaves,
        child: MakeChild,
        group: asyncio.TaskGroup,
        mailbox: Mailbox,
    ) -> None:
        self._step, self._stages, self._leaves, self._tape = step, stages, leaves, leaves.tape
        self._child, self._group, self._mailbox = child, group, mailbox
        self._epochs = Epochs(self._tape, step.path, stages)
        self._running: dict[Key, _Inner] = {}
        self._left: list[_Inner] = []
        self._live = False

    async def perform(self, actions: Iterable[Begin | Drop]) -> None:
        """Begin effects and drop others."""
        begun: dict[Key, _Inner] = {}
        dropped: list[Key] = []
        for action in actions:
            key = (action.stage, action.number)
            if isinstance(action, Begin):
                begun[key] = self._begun(action)
            elif begun.pop(key, None) is None:
                dropped.append(key)
        self._running.update(begun)
        # The fence first: from here on what runs for an earlier item is refused.
        ready = [(inner, await self._enter(inner)) for inner in begun.values() if self._live]
        for key in dropped:
            self._drop(key)
        for inner, fence in ready:
            self._start(inner, fence)

    async def rerun(self, key: Key) -> None:
        """Run one whose end is on record: it comes to the same end without doing anything."""
        inner = self._running.get(key)
        if inner is not None:
            await self._start(inner, self._epochs.noted(*inner.place))

    def exit_of(self, key: Key) -> AnyExit | None:
        """How an effect has ended; None while it runs, or if it was dropped."""
        inner = self._running.get(key)
        return None if inner is None else inner.exit

    def forget(self, key: Key) -> None:
        """Its end was taken."""
        del self._running[key]

    async def go_live(self) -> None:
        """What was under way when the record ends is under way again."""
        self._live = True
        for inner in self._left:
            self._clean_up(inner)
        for inner in self._running.values():
            self._start(inner, await self._enter(inner))

    async def drop_fences(self) -> None:
        """See `Epochs.drop`."""
        await self._epochs.drop()

    def _begun(self, begin: Begin) -> _Inner:
        at = f"{self._step.path}/{begin.stage + 1}"
        if begin.number == 1:
            self._leaves.opened(Step(at, self._stages[begin.stage].text().lstrip(".")))
        return _Inner(begin, f"{at}/{begin.number}")

    async def _enter(self, inner: _Inner) -> Fence | None:
        """Before an item's effect starts: its fence, raised, if the stage has one."""
        self._leaves.opened(Step(inner.path, f"item {inner.begin.number}"))
        return await self._epochs.enter(*inner.place)

    def _start(self, inner: _Inner, fence: Fence | None) -> "asyncio.Task[None]":
        child = self._child(_effect(self._stages[inner.begin.stage], inner, fence), inner.path)
        inner.task = self._group.create_task(self._run(inner, child))
        return inner.task

    async def _run(self, inner: _Inner, child: Child) -> None:
        try:
            with self._mailbox.breaking():
                inner.exit = await child()
        except UncertainError:
            if not inner.dropped:
                raise
        if self._live and not inner.dropped:
            self._mailbox.tell(Event("ended", inner.key))

    # What is not wanted any more

    def _drop(self, key: Key) -> None:
        inner = self._running.pop(key)
        inner.dropped = True
        if inner.task is not None:
            inner.task.cancel()
            self._group.create_task(self._note_stop(inner, inner.task))
        elif self._tape.noted(inner.stop, "preempted") is None:
            self._left.append(inner)

    async def _note_stop(self, inner: _Inner, task: "asyncio.Task[None]") -> None:
        await asyncio.wait([task])
        if self._tape.noted(inner.stop, "preempted") is None:
            await self._tape.note(Note(inner.stop, PREEMPTED if inner.exit is None else OUTRUN))

    def _clean_up(self, inner: _Inner) -> None:
        """An earlier driver died before what it dropped had cleaned up."""
        fence = self._epochs.noted(*inner.place)
        if fence is None and self._epochs.has(inner.begin.stage):
            return  # it never began
        with allowing(Begins.NOTHING):
            task = self._start(inner, fence)
        self._group.create_task(self._note_stop(inner, task))


def _effect(stage: Stage, inner: _Inner, fence: Fence | None) -> AnyEffect:
    # By `flat_map`, so that a defect in `f` gets its note.
    value = Succeed(inner.begin.value)
    if isinstance(stage, Switched):
        f: Any = stage.f
        return FlatMap(value, lambda item: f(item, fence))
    assert isinstance(stage, Merged)  # noqa: S101 - no other stage begins effects
    return FlatMap(value, stage.f)
