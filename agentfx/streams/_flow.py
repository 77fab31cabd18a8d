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


@dataclass(slots=True)
class _State:
    """Of one stage.

    Attributes:
        number: Of its latest item.
        running: Numbers of effects that run.
        waiting: Items whose effects wait for others to end.
        pending: The item that waits for silence, if any.
        ended: Nothing more comes in.
    """

    stage: Stage
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
        self._states = [_State(stage) for stage in stages]
        self._values: list[Any] = []
        self._cut = 0  # what stands before this stage has been cancelled
        self._actions: list[Action] = []
        self.exit: Exit[list[Any], Any] | None = None
        for index, state in enumerate(self._states):
            if isinstance(state.stage, Taken) and state.stage.count == 0:
                self._cut_before(index)
        self._actions.clear()

    @property
    def wants_items(self) -> bool:
        """Whether the source is to be read at all."""
        return self._cut == 0 and self.exit is None

    @property
    def backlog(self) -> int:
        """Items whose effects wait for others to end."""
        return sum(len(state.waiting) for state in self._states)

    def item(self, value: Any) -> list[Action]:
        """The source has another item."""
        self._push(0, value)
        return self._taken()

    def closed(self) -> list[Action]:
        """The source has ended."""
        self._finish(0)
        return self._taken()

    def ended(self, stage: int, number: int, exit_: Exit[Any, Any]) -> list[Action]:
        """The effect of an item has ended."""
        state = self._states[stage]
        if number not in state.running:  # dropped
            return []
        state.running.discard(number)
        if isinstance(exit_, Err):
            self._end(exit_)
            return self._taken()
        self._push(stage + 1, exit_.value)
        if state.waiting and stage >= self._cut and self.exit is None:
            self._begin(stage, *state.waiting.popleft())
        self._finish_if_done(stage)
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

    # Values on their way down

    def _push(self, index: int, value: Any) -> None:
        if index < self._cut or self.exit is not None:
            return
        if index == len(self._states):
            self._values.append(value)
            return
        state = self._states[index]
        match state.stage:
            case Mapped():
                self._push(index + 1, state.stage.f(value))
            case Debounced():
                self._debounce(index, state, state.stage.seconds, value)
            case Taken():
                self._take(index, state, state.stage.count, value)
            case Merged() | Switched():
                self._run(index, state, value)

    def _debounce(self, index: int, state: _State, seconds: float, value: Any) -> None:
        if state.pending:
            state.pending.clear()
            self._actions.append(Disarm(index, state.number))
        state.number += 1
        state.pending.append(value)
        self._actions.append(Arm(index, state.number, seconds))

    def _take(self, index: int, state: _State, count: int, value: Any) -> None:
        state.number += 1
        self._push(index + 1, value)
        if state.number == count and self.exit is None:
            self._cut_before(index)

    def _run(self, index: int, state: _State, value: Any) -> None:
        state.number += 1
        if isinstance(state.stage, Switched):
            self._drop(index)
        elif isinstance(state.stage, Merged) and len(state.running) >= state.stage.concurrency:
            state.waiting.append((state.number, value))
            return
        self._begin(index, state.number, value)

    def _begin(self, index: int, number: int, value: Any) -> None:
        self._states[index].running.add(number)
        self._actions.append(Begin(index, number, value))

    def _drop(self, index: int) -> None:
        state = self._states[index]
        self._actions += [Drop(index, number) for number in sorted(state.running)]
        state.running.clear()
        state.waiting.clear()

    # The end

    def _finish(self, index: int) -> None:
        """Nothing more comes into a stage."""
        if index < self._cut or self.exit is not None:
            return
        if index == len(self._states):
            self.exit = Ok(self._values)
            return
        state = self._states[index]
        state.ended = True
        if state.pending:
            self._actions.append(Disarm(index, state.number))
            self._push(index + 1, state.pending.pop())
        self._finish_if_done(index)

    def _finish_if_done(self, index: int) -> None:
        state = self._states[index]
        if state.ended and not (state.running or state.waiting):
            self._finish(index + 1)

    def _cut_before(self, index: int) -> None:
        """Enough has come through a stage: cancel what stands before it."""
        self._cancel(index)
        self._cut = index + 1
        self._finish(index + 1)

    def _end(self, exit_: Exit[list[Any], Any]) -> None:
        self.exit = exit_
        self._cancel(len(self._states))

    def _cancel(self, before: int) -> None:
        for index, state in enumerate(self._states[:before]):
            self._drop(index)
            if state.pending:
                state.pending.clear()
                self._actions.append(Disarm(index, state.number))
