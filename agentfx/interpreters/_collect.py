"""Running a stream: what `Flow` decides, done with tasks, and noted so that it can be resumed."""

import asyncio
import json
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, TypeAlias, cast

from agentfx._clock import Clock
from agentfx.algebra import (
    AnyEffect,
    Arriving,
    Collect,
    Fence,
    FlatMap,
    Merged,
    Of,
    Succeed,
    Switched,
    decode_value,
    encode_value,
    stages_of,
)
from agentfx.interpreters._scope import Step
from agentfx.interpreters._tape import HIDDEN, Tape
from agentfx.interpreters._walk_types import AnyExit, Child
from agentfx.streams import Action, Arm, Begin, Disarm, Drop, Flow

MOST_BACKLOG = 64
"""Items that may wait for effects to end before the source is read no further."""
Key: TypeAlias = tuple[int, int]


_Timer: TypeAlias = "float | asyncio.Task[None]"
"""Seconds while nothing runs yet, then the task that waits."""


@dataclass(slots=True)
class _Inner:
    """The effect of an item."""

    child: Child
    path: str
    switched: bool
    task: "asyncio.Task[None] | None" = None
    dropped: bool = False
    exit: AnyExit | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happened, as it is noted; `item` for one that brings a value."""

    kind: str
    key: Key = (0, 0)
    text: str = ""

    def note(self) -> str:
        return json.dumps([self.kind, *self.key, self.text])

    @classmethod
    def read(cls, note: str) -> "_Event":
        kind, stage, number, text = json.loads(note)
        return cls(kind, (stage, number), text)


@dataclass
class Collecting:
    """One run of a stream.

    Args:
        node: What to run.
        step: Its place in the run.
        tape: For notes and fences.
        clock: The time.
        child: Makes the walk of an effect at a path.
        count: Told of steps that are noted.
    """

    node: Collect[Any, Any, Any]
    step: Step
    tape: Tape
    clock: Clock
    child: Callable[[AnyEffect, str], Child]
    count: Callable[[int], None]
    _inners: dict[Key, _Inner] = field(default_factory=dict[Key, _Inner])
    _timers: dict[Key, _Timer] = field(default_factory=dict[Key, _Timer])
    _reading: "asyncio.Task[None] | None" = None
    _noted: int = 0
    _items: int = 0
    _live: bool = False

    def __post_init__(self) -> None:
        self._source, self._stages = stages_of(self.node.first)
        self._flow = Flow(self._stages)
        self._events: asyncio.Queue[_Event] = asyncio.Queue()
        self._group = asyncio.TaskGroup()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> AnyExit:
        """Run it to its end; nothing of it is left when this returns."""
        defect: BaseException | None = None
        try:
            async with self._group:
                await self._to_the_end()
        except BaseExceptionGroup as defects:
            defect = defects.exceptions[0]
        if defect is not None:
            raise defect  # unchanged: the group is ours
        for index, stage in enumerate(self._stages):
            if isinstance(stage, Switched) and stage.fence is None:
                await self.tape.drop_fence(self._fence_key(index, stage))
        exit_ = self._flow.exit
        assert exit_ is not None  # noqa: S101 - the loop ends with it
        return exit_

    async def _to_the_end(self) -> None:
        if isinstance(self._source, Of):
            # Known beforehand, so all at once: nothing happens between two of them.
            actions = [a for item in self._source.items for a in self._flow.item(item)]
            await self._perform([*actions, *self._flow.closed()])
        while (noted := self.tape.noted(self._event_path(self._noted + 1))) is not None:
            self._noted += 1
            await self._replay(_Event.read(noted[1]))
        self._live = True
        self._begin_again()
        if isinstance(self._source, Arriving) and self._flow.wants_items:
            self._reading = self._group.create_task(self._read(self._source))
        while self._flow.exit is None:
            await self._take(await self._batch())
        if self._reading is not None:
            self._reading.cancel()

    # Events

    def _event_path(self, number: int) -> str:
        return f"{self.step.path}/e{number}{HIDDEN}"

    async def _batch(self) -> list[_Event]:
        batch = [await self._events.get()]
        while not self._events.empty():
            batch.append(self._events.get_nowait())
        return batch

    async def _take(self, batch: Sequence[_Event]) -> None:
        actions: list[Action] = []
        self.count(len(batch))
        for event in batch:
            self._noted += 1
            await self.tape.note(self._event_path(self._noted), event.kind, event.note())
            actions += self._feed(event)
        await self._perform(actions)

    async def _replay(self, event: _Event) -> None:
        if event.kind == "ended":
            # Everything it did is on record, so this comes to the same end without doing it.
            inner = self._inners.get(event.key)
            if inner is not None:  # else it was dropped in the same moment
                await self._start(event.key, inner)
        await self._perform(self._feed(event))

    def _feed(self, event: _Event) -> list[Action]:
        match event.kind:
            case "item":
                self._items += 1
                assert isinstance(self._source, Arriving)  # noqa: S101 - no other source has them
                actions = self._flow.item(decode_value(event.text, self._source.returns))
            case "closed":
                actions = self._flow.closed()
            case "silent":
                self._timers.pop(event.key, None)
                actions = self._flow.silent(*event.key)
            case _:
                inner = self._inners.pop(event.key, None)
                if inner is None or inner.exit is None:
                    return []
                actions = self._flow.ended(*event.key, inner.exit)
        self._look_for_room()
        return actions

    def _look_for_room(self) -> None:
        if self._flow.backlog < MOST_BACKLOG:
            self._room.set()
        else:
            self._room.clear()

    async def _read(self, source: Arriving[Any]) -> None:
        given: Any = source.source
        items = cast("AsyncIterable[Any]", given(self._items) if callable(given) else given)
        async for item in items:
            self._events.put_nowait(_Event("item", text=encode_value(item, source.returns)))
            self._room.clear()
            await self._room.wait()  # until it is taken, and not too many wait
            if not self._flow.wants_items:
                return
        self._events.put_nowait(_Event("closed"))

    # Actions

    async def _perform(self, actions: Sequence[Action]) -> None:
        dropped = {(a.stage, a.number) for a in actions if isinstance(a, Drop)}
        begun = [a for a in actions if isinstance(a, Begin)]
        # The fence first: from here on what runs for an earlier item is refused.
        made = {(a.stage, a.number): await self._prepare(a) for a in begun}
        for action in actions:
            key = (action.stage, action.number)
            match action:
                case Begin():
                    self._inners[key] = made[key]
                    if key not in dropped and self._live:
                        self._start(key, made[key])
                case Drop():
                    self._drop(key)
                case Arm():
                    self._timers[key] = action.seconds
                    if self._live:
                        self._arm(key, action.seconds)
                case Disarm():
                    timer = self._timers.pop(key, None)
                    if isinstance(timer, asyncio.Task):
                        timer.cancel()

    async def _prepare(self, action: Begin) -> _Inner:
        stage = self._stages[action.stage]
        path = f"{self.step.path}/{action.stage}-{action.number}"
        if isinstance(stage, Switched):
            fence = await self._fence(action, stage, path)
            effect: AnyEffect = FlatMap(Succeed(action.value), partial(_with_fence, stage.f, fence))
        else:
            assert isinstance(stage, Merged)  # noqa: S101 - no other stage begins effects
            effect = FlatMap(Succeed(action.value), stage.f)
        return _Inner(self.child(effect, path), path, isinstance(stage, Switched))

    async def _fence(self, action: Begin, stage: Switched[Any, Any, Any], path: str) -> Fence:
        key = self._fence_key(action.stage, stage)
        noted = self.tape.noted(path)
        if noted is not None:
            return Fence(key, int(noted[1]), path)
        epoch = await self.tape.raise_fence(key)
        await self.tape.note(path, f"input {action.number}, epoch {epoch}", str(epoch))
        return Fence(key, epoch, path)

    def _fence_key(self, index: int, stage: Switched[Any, Any, Any]) -> str:
        name = (
            f"{self.tape.identity}\0{self.step.path}\0{index}"
            if stage.fence is None
            else f"named\0{stage.fence}"
        )
        return blake2b(name.encode(), digest_size=16).hexdigest()

    def _begin_again(self) -> None:
        """After a replay: what was under way is under way again."""
        for key, inner in self._inners.items():
            if inner.task is None:
                self._start(key, inner)
        for key, timer in list(self._timers.items()):
            if isinstance(timer, (int, float)):
                self._arm(key, timer)

    def _start(self, key: Key, inner: _Inner) -> "asyncio.Task[None]":
        inner.task = self._group.create_task(self._run(key, inner))
        return inner.task

    async def _run(self, key: Key, inner: _Inner) -> None:
        how = "stopped"
        try:
            inner.exit = await inner.child()
            how = "ended, though it was not to"
            if not inner.dropped and self._live:
                self._events.put_nowait(_Event("ended", key))
        finally:
            if inner.dropped and inner.switched:
                await self.tape.note(f"{inner.path}/stop", f"preempted, {how}")

    def _drop(self, key: Key) -> None:
        inner = self._inners.pop(key, None)
        if inner is not None and inner.task is not None:
            inner.dropped = True
            inner.task.cancel()

    def _arm(self, key: Key, seconds: float) -> None:
        self._timers[key] = self._group.create_task(self._wait(key, seconds))

    async def _wait(self, key: Key, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._events.put_nowait(_Event("silent", key))


def _with_fence(f: Callable[[Any, Fence], AnyEffect], fence: Fence, value: Any) -> AnyEffect:
    return f(value, fence)
