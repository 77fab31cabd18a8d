"""Running a stream: what `Flow` decides, done with tasks, and noted so that it can be resumed."""

import asyncio
import json
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from agentfx.algebra import (
    AnyEffect,
    Arriving,
    Collect,
    Fence,
    FlatMap,
    Merged,
    Of,
    Ok,
    Stage,
    Succeed,
    Switched,
    brief,
    stages_of,
)
from agentfx.interpreters._certainty import Begins, UncertainError, about_to_begin, allowing
from agentfx.interpreters._epochs import Epochs
from agentfx.interpreters._scope import Step
from agentfx.interpreters._source import read_source
from agentfx.interpreters._tape import HIDDEN, Note
from agentfx.interpreters._values import decode_step, encode_step
from agentfx.interpreters._walk_types import AnyExit, Child, Leaves
from agentfx.streams import (
    OUTRUN,
    PREEMPTED,
    Action,
    Arm,
    Begin,
    Disarm,
    Drop,
    Flow,
)

MOST_BACKLOG = 64
"""Items that may wait for effects to end before the source is read no further."""
Key: TypeAlias = tuple[int, int]
"""Stage and number of an item."""


@dataclass(slots=True, eq=False)
class _Inner:
    """The effect of an item."""

    begin: Begin
    path: str
    task: "asyncio.Task[None] | None" = None
    exit: AnyExit | None = None
    dropped: bool = False

    @property
    def place(self) -> tuple[int, int, str]:
        """Stage, number and path."""
        return self.begin.stage, self.begin.number, self.path


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happened; `text` for an item."""

    kind: str
    key: Key = (0, 0)
    text: str = ""


_BROKEN = _Event("broken")
"""Something was cancelled that nobody had asked to stop: so is the stream."""


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
        child: Callable[[AnyEffect, str], Child],
        count: Callable[[int], None],
    ) -> None:
        self._step, self._leaves, self._tape = step, leaves, leaves.tape
        self._child, self._count = child, count
        self._label = step.label or brief(node)
        self._source, self._stages = stages_of(node.first)
        self._flow = Flow(self._stages)
        self._happened: asyncio.Queue[_Event] = asyncio.Queue()
        self._group = asyncio.TaskGroup()
        self._room = asyncio.Event()
        self._inners: dict[Key, _Inner] = {}
        self._left: list[_Inner] = []
        self._armed: dict[Key, Arm] = {}
        self._timers: dict[Key, asyncio.Task[None]] = {}
        self._epochs = Epochs(self._tape, step.path, self._stages)
        self._reading: asyncio.Task[None] | None = None
        self._noted = self._items = 0
        self._live = False

    async def run(self) -> AnyExit:
        """Run it to its end; nothing of it is left when this returns."""
        self._leaves.opened(replace(self._step, label=self._label))
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
            await self._replay([_Event(kind, (s, n), text) for kind, s, n, text in _read(noted)])
        replayed = self._noted
        await self._go_live()
        while self._flow.exit is None:
            await self._take(await self._batch())
        # After a failure the run may be redriven: its fences go when it does.
        if isinstance(self._flow.exit, Ok) and self._noted > replayed:
            await self._epochs.drop()

    def _all_at_once(self, items: Iterable[Any]) -> list[Action]:
        """Items that are known beforehand: nothing happens between two of them."""
        actions: list[Action] = []
        for item in items:
            if not self._flow.wants_items:
                break
            actions += self._flow.item(item)
        return [*actions, *self._flow.closed()]

    # What happens

    def _next_note(self) -> str:
        return f"{self._step.path}/e{self._noted + 1}{HIDDEN}"

    async def _batch(self) -> list[_Event]:
        batch = [await self._happened.get()]
        while not self._happened.empty():
            batch.append(self._happened.get_nowait())
        if _BROKEN in batch:
            raise asyncio.CancelledError
        return batch

    async def _take(self, batch: Sequence[_Event]) -> None:
        self._count(len(batch))
        text = json.dumps([[event.kind, *event.key, event.text] for event in batch])
        await self._tape.note(Note(self._next_note(), "stream", text))
        self._noted += 1
        await self._perform([action for event in batch for action in self._feed(event)])
        if self._reading is not None and not self._flow.wants_items:
            self._reading.cancel()
        if self._flow.backlog < MOST_BACKLOG:
            self._room.set()

    async def _replay(self, batch: Sequence[_Event]) -> None:
        for event in batch:
            inner = self._inners.get(event.key) if event.kind == "ended" else None
            if inner is not None:
                # Everything it did is on record: this comes to the same end without doing it.
                await self._start(inner, self._epochs.noted(*inner.place))
        await self._perform([action for event in batch for action in self._feed(event)])

    async def _go_live(self) -> None:
        """What was under way when the record ends is under way again."""
        self._live = True
        for inner in self._left:
            self._clean_up(inner)
        for inner in self._inners.values():
            self._start(inner, await self._enter(inner))
        for arm in self._armed.values():
            self._wait(arm)
        if self._flow.exit is None:
            await about_to_begin(Begins.IDENTIFIED)
            if isinstance(self._source, Arriving) and self._flow.wants_items:
                self._reading = self._group.create_task(self._read(self._source))

    def _feed(self, event: _Event) -> list[Action]:
        match event.kind:
            case "item":
                self._items += 1
                assert isinstance(self._source, Arriving)  # noqa: S101 - no other source has them
                return self._flow.item(decode_step(self._step, self._source, event.text))
            case "closed":
                return self._flow.closed()
            case "silent":
                self._armed.pop(event.key, None)
                self._timers.pop(event.key, None)
                return self._flow.silent(*event.key)
            case _:
                inner = self._inners.get(event.key)
                if inner is None or inner.exit is None or not self._flow.runs(*event.key):
                    return []  # dropped in the same moment
                del self._inners[event.key]
                return self._flow.ended(*event.key, inner.exit)

    async def _read(self, source: Arriving[Any]) -> None:
        async def take(item: Any) -> bool:
            self._room.clear()
            text = encode_step(self._step, source, item)
            self._happened.put_nowait(_Event("item", text=text))
            await self._room.wait()  # until it is taken, and not too many wait
            return self._flow.wants_items

        with _breaking(self._happened):
            if await read_source(source, self._items, take):
                self._happened.put_nowait(_Event("closed"))

    # What comes of it

    async def _perform(self, actions: Sequence[Action]) -> None:
        begun: dict[Key, _Inner] = {}
        dropped: list[Key] = []
        for action in actions:
            key = (action.stage, action.number)
            match action:
                case Begin():
                    begun[key] = self._begun(action)
                case Drop():
                    if begun.pop(key, None) is None:
                        dropped.append(key)
                case Arm() | Disarm():
                    self._set_timer(action)
        self._inners.update(begun)
        # The fence first: from here on what runs for an earlier item is refused.
        ready = [(inner, await self._enter(inner)) for inner in begun.values() if self._live]
        for key in dropped:
            self._drop(key)
        for inner, fence in ready:
            self._start(inner, fence)

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
            with _breaking(self._happened):
                inner.exit = await child()
        except UncertainError:
            if not inner.dropped:
                raise
        if self._live and not inner.dropped:
            self._happened.put_nowait(_Event("ended", (inner.begin.stage, inner.begin.number)))

    def _drop(self, key: Key) -> None:
        inner = self._inners.pop(key)
        inner.dropped = True
        if inner.task is not None:
            inner.task.cancel()
            self._group.create_task(self._note_stop(inner, inner.task))
        elif self._tape.noted(_stop(inner), "preempted") is None:
            self._left.append(inner)

    async def _note_stop(self, inner: _Inner, task: "asyncio.Task[None]") -> None:
        await asyncio.wait([task])
        if self._tape.noted(_stop(inner), "preempted") is None:
            await self._tape.note(Note(_stop(inner), PREEMPTED if inner.exit is None else OUTRUN))

    def _clean_up(self, inner: _Inner) -> None:
        """An earlier driver died before what it dropped had cleaned up."""
        fence = self._epochs.noted(*inner.place)
        if fence is None and self._epochs.has(inner.begin.stage):
            return  # it never began
        with allowing(Begins.NOTHING):
            task = self._start(inner, fence)
        self._group.create_task(self._note_stop(inner, task))

    def _set_timer(self, action: Arm | Disarm) -> None:
        key = (action.stage, action.number)
        if isinstance(action, Arm):
            self._armed[key] = action
            if self._live:
                self._wait(action)
            return
        self._armed.pop(key, None)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def _wait(self, arm: Arm) -> None:
        async def tell() -> None:
            await self._leaves.clock.sleep(arm.seconds)
            self._happened.put_nowait(_Event("silent", (arm.stage, arm.number)))

        self._timers[arm.stage, arm.number] = self._group.create_task(tell())


def _read(note: str) -> list[tuple[str, int, int, str]]:
    return [(kind, stage, number, text) for kind, stage, number, text in json.loads(note)]


def _stop(inner: _Inner) -> str:
    return f"{inner.path}/stop"


def _effect(stage: Stage, inner: _Inner, fence: Fence | None) -> AnyEffect:
    # By `flat_map`, so that a defect in `f` gets its note.
    value = Succeed(inner.begin.value)
    if isinstance(stage, Switched):
        f: Any = stage.f
        return FlatMap(value, lambda item: f(item, fence))
    assert isinstance(stage, Merged)  # noqa: S101 - no other stage begins effects
    return FlatMap(value, stage.f)


@contextmanager
def _breaking(happened: "asyncio.Queue[_Event]") -> Generator[None, None, None]:
    """Tell of a cancellation that nobody asked for: code of the user raised it by itself."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            happened.put_nowait(_BROKEN)
        raise
