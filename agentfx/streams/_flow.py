"""What a stream does next, as decisions: items and endings go in, actions come out.

No time, no tasks: the same events in the same order make the same stream, which is how a resumed
run finds its way back to where it was.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agentfx.algebra import (
    Debounced,
    Err,
    Exit,
    Mapped,
    Merged,
    Ok,
    Stage,
    Switched,
    Taken,
)


@dataclass(frozen=True, slots=True)
class Begin:
    """Start the effect of an item; items of a stage are numbered from 1."""

    stage: int
    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Drop:
    """Cancel the effect of an item; how it ends no longer matters."""

    stage: int
    number: int


@dataclass(frozen=True, slots=True)
class Arm:
    """Tell `silent` after some seconds."""

    stage: int
    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Disarm:
    """Do not."""

    stage: int
    number: int


Action: TypeAlias = Begin | Drop | Arm | Disarm
Running: TypeAlias = Merged[Any, Any, Any] | Switched[Any, Any, Any]
"""Stages that run effects."""


@dataclass(slots=True)
class _State:
    """Of a stage that does more than apply a function.

    Attributes:
        number: Of its latest item.
        running: Numbers of effects that run.
        waiting: Items whose effects wait for others to end.
        pending: The item that waits for silence, if any.
        ended: Nothing more comes in.
    """

    number: int = 0
    running: set[int] = field(default_factory=set[int])
    waiting: deque[tuple[int, Any]] = field(default_factory=deque[tuple[int, Any]])
    pending: list[Any] = field(default_factory=list[Any])
    ended: bool = False


class Flow:
    """A stream under way.

    Attributes:
        exit: How it ended, None while it goes on.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        kept = [n for n, stage in enumerate(stages) if not isinstance(stage, Mapped)]
        self._states = {index: _State() for index in kept}
        self._values: list[Any] = []
        self._cut = 0  # what stands before this stage has been cancelled
        self._closed = False
        self._actions: list[Action] = []
        self.exit: Exit[list[Any], Any] | None = None
        for index in kept:
            stage = stages[index]
            if isinstance(stage, Taken) and stage.count == 0:
                self._cut_before(index)
                self._finish(index + 1)

    @property
    def wants_items(self) -> bool:
        """Whether the source is to be read at all."""
        return self._cut == 0 and not self._closed and self.exit is None

    @property
    def backlog(self) -> int:
        """Items whose effects wait for others to end."""
        return sum(len(state.waiting) for state in self._states.values())

    def item(self, value: Any) -> list[Action]:
        """The source has another item."""
        self._push(0, value)
        return self._taken()

    def closed(self) -> list[Action]:
        """The source has ended."""
        self._closed = True
        self._finish(0)
        return self._taken()

    def runs(self, stage: int, number: int) -> bool:
        """Whether the effect of an item is still wanted."""
        return number in self._states[stage].running

    def ended(self, stage: int, number: int, exit_: Exit[Any, Any]) -> list[Action]:
        """The effect of an item has ended."""
        state = self._states[stage]
        if number not in state.running:  # dropped
            return []
        state.running.discard(number)
        if isinstance(exit_, Err):
            self.exit = exit_
            self._cancel(len(self._stages))
            return self._taken()
        self._push(stage + 1, exit_.value)
        if state.waiting:  # emptied, if what came of the value has cut the stage off
            self._begin(stage, *state.waiting.popleft())
        if state.ended and not (state.running or state.waiting):
            self._finish(stage + 1)
        return self._taken()

    def silent(self, stage: int, number: int) -> list[Action]:
        """Nothing has followed an item for the time that its stage wants."""
        state = self._states[stage]
        if state.pending and state.number == number:
            self._push(stage + 1, state.pending.pop())
        return self._taken()

    def _taken(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions

    # Loops and not recursion: a program may chain 100,000 stages.

    def _push(self, index: int, value: Any) -> None:
        """Let a value into a stage, and through those that hand it on at once."""
        if index < self._cut or self.exit is not None:
            return
        enough = False
        while index < len(self._stages):
            stage = self._stages[index]
            if isinstance(stage, Mapped):
                value = stage.f(value)
            elif isinstance(stage, Taken):
                state = self._states[index]
                state.number += 1
                if state.number == stage.count:
                    self._cut_before(index)
                    enough = True
            else:
                self._keep(index, stage, value)
                break
            index += 1
        else:
            self._values.append(value)
        if enough:
            self._finish(self._cut)

    def _keep(self, index: int, stage: Debounced[Any, Any, Any] | Running, value: Any) -> None:
        """Let a value into a stage that hands on something later."""
        state = self._states[index]
        if isinstance(stage, Debounced):
            self._disarm(index)
            state.number += 1
            state.pending.append(value)
            self._actions.append(Arm(index, state.number, stage.seconds))
            return
        state.number += 1
        if isinstance(stage, Switched):
            self._drop(index)
        elif len(state.running) >= stage.concurrency:
            state.waiting.append((state.number, value))
            return
        self._begin(index, state.number, value)

    def _begin(self, index: int, number: int, value: Any) -> None:
        self._states[index].running.add(number)
        self._actions.append(Begin(index, number, value))

    def _finish(self, index: int) -> None:
        """Nothing more comes into a stage, nor into those after it that hold nothing."""
        while index >= self._cut and self.exit is None:
            if index == len(self._stages):
                self.exit = Ok(self._values)
                return
            state = self._states.get(index)
            if state is not None:
                state.ended = True
                if state.pending:
                    self._actions.append(Disarm(index, state.number))
                    self._push(index + 1, state.pending.pop())
                if state.running or state.waiting:
                    return
            index += 1

    # What is not wanted any more

    def _cut_before(self, index: int) -> None:
        """Enough has come through a stage."""
        self._cancel(index)
        self._cut = index + 1

    def _cancel(self, end: int) -> None:
        for index in self._states:
            if index < end:
                self._drop(index)
                self._disarm(index)

    def _drop(self, index: int) -> None:
        state = self._states[index]
        self._actions += [Drop(index, number) for number in sorted(state.running)]
        state.running.clear()
        state.waiting.clear()

    def _disarm(self, index: int) -> None:
        state = self._states[index]
        if state.pending:
            state.pending.clear()
            self._actions.append(Disarm(index, state.number))
