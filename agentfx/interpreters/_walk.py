"""One stack-safe walk of a program; an interpreter gives its leaves their meaning.

The stack of continuations is a list, so 100,000 chained nodes need no recursion. Only nodes
that bound or fence their child (`timeout`, `ensuring`, fan-outs) walk it by a walk of its own.
"""

# The stack holds frames of every kind, so it is untyped inside; the types are those of `walk`.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from inspect import isawaitable
from typing import Any, Never, NoReturn, TypeAlias

from agentfx.algebra import (
    Action,
    ActionCall,
    AnyEffect,
    Attempt,
    Catch,
    CatchAll,
    Collect,
    DirectCall,
    DoBlock,
    Effect,
    Either,
    Ensuring,
    Err,
    Fail,
    FlatMap,
    ForEach,
    Given,
    Guard,
    Leaf,
    Map,
    Named,
    NamedCall,
    Ok,
    Provide,
    RemoteCall,
    RemoteJob,
    Retry,
    Sleep,
    Stream,
    Succeed,
    TaskCall,
    Timeout,
    Use,
    Zip,
    brief,
)
from agentfx.interpreters._certainty import cleaning_up
from agentfx.interpreters._collect import Collecting
from agentfx.interpreters._guard import guard
from agentfx.interpreters._scope import Scope, Step
from agentfx.interpreters._walk_types import AnyExit as AnyExit
from agentfx.interpreters._walk_types import Call as Call
from agentfx.interpreters._walk_types import Child as Child
from agentfx.interpreters._walk_types import Item as Item
from agentfx.interpreters._walk_types import Leaves as Leaves
from agentfx.interpreters._walk_types import Remote as Remote
from agentfx.jobs import chance, job_id


def table_of(env: Any) -> Mapping[type[Any], Any]:
    """The capabilities of an environment, by their interface.

    Raises:
        TypeError: It is not an environment.
    """
    if env is None:
        return {}
    if not isinstance(env, Given):
        raise TypeError(f"give capabilities as LLM.of(implementation), not as {brief(env)}")
    return env.table


async def walk(
    program: AnyEffect, leaves: Leaves, scope: Scope, given: Mapping[type[Any], Any]
) -> AnyExit:
    """Walk a program to its exit.

    Exceptions that no effect declares are defects: they pass unchanged, with a note that names
    the step they came after.
    """
    walker = _Walk(leaves, scope, given)
    try:
        return await walker.run(program)
    except Exception as error:
        if not any(note.startswith("agentfx: ") for note in getattr(error, "__notes__", ())):
            error.add_note(f"agentfx: after step {walker.scope.last} of run {leaves.run_id}")
        raise
    finally:
        walker.close()


@dataclass(slots=True)
class _Attempts:
    """All attempts of one call, also those of retries around retries."""

    step: Step
    made: int = 0


@dataclass(slots=True)
class _Retrying:
    node: Retry[Any, Any, Any]
    attempts: _Attempts
    outer: _Attempts | None
    tried: int = 1


@dataclass(slots=True)
class _Body:
    """A do-block under way."""

    generator: Generator[AnyEffect, Any, Any]


@dataclass(slots=True)
class _Paired:
    first: Any


@dataclass(slots=True)
class _Restore:
    """Ends the reach of a `provide` or of a named group."""

    given: Mapping[type[Any], Any]
    scope: Scope


class _Pause(Effect[None]):
    """Internal leaf: the wait before another attempt."""

    __slots__ = ("seconds", "step")

    def __init__(self, step: Step, seconds: float) -> None:
        self.step, self.seconds = step, seconds


_START = Succeed(None)
_Outer: TypeAlias = Leaf | Timeout[Any, Any, Any] | Ensuring[Any, Any, Any] | _Pause
"""Nodes that the loop awaits; all others are structural and handled by tables."""


def _refuse(value: Never) -> NoReturn:
    # For the checkers an `assert_never`; at run time, a user's function returned no effect.
    value_: Any = value
    if isinstance(value_, Stream):
        raise TypeError(f"{brief(value_)} is a stream, not yet an effect: add .to_list()")
    raise TypeError(
        f"a program goes on with an effect, not with {brief(value)}: return "
        "fx.succeed(value), or use .map"
    )


class _Walk:
    def __init__(self, leaves: Leaves, scope: Scope, given: Mapping[type[Any], Any]) -> None:
        self.leaves, self.scope, self.given = leaves, scope, given
        self.stack: list[Any] = []
        self.attempts: _Attempts | None = None
        self.label: str | None = None

    async def run(self, program: AnyEffect) -> AnyExit:
        node: Any = program
        while True:
            kind = type(node)
            if kind is Succeed:
                node = self._value(node.value)
            elif (enter := _ENTER.get(kind)) is not None:
                node = enter(self, node)
                continue
            elif kind is Fail:
                node = self._error(Err(node.error, self.scope.last))
            else:
                exit_ = await self._leaf(node)
                node = self._value(exit_.value) if isinstance(exit_, Ok) else self._error(exit_)
            if isinstance(node, (Ok, Err)):
                return node

    def close(self) -> None:
        """Let the bodies of open do-blocks clean up."""
        for frame in reversed(self.stack):
            if type(frame) is _Body:
                frame.generator.close()

    def _value(self, value: Any) -> Any:
        """Unwind with a value: the node to go on with, or the exit."""
        stack = self.stack
        while stack:
            frame = stack.pop()
            kind = type(frame)
            if kind is FlatMap:
                return frame.f(value)
            if kind is Map:
                value = frame.f(value)
            elif kind is not CatchAll:
                node = _ON_VALUE[kind](self, frame, value)
                if type(node) is not Succeed:
                    return node
                value = node.value
        return Ok(value)

    def _error(self, exit_: Err[Any]) -> Any:
        """Unwind with a failure: the node to go on with, or the exit."""
        stack = self.stack
        while stack:
            frame = stack.pop()
            handler = _ON_ERROR.get(type(frame))
            if handler is not None and (node := handler(self, frame, exit_)) is not None:
                return node
        return exit_

    def next_step(self) -> Step:
        """The place of a leaf that is about to run."""
        if self.attempts is not None:
            self.attempts.made += 1
            return replace(self.attempts.step, attempt=self.attempts.made)
        step = Step(self.scope.step(), self.label)
        self.label = None
        return step

    async def _leaf(self, node: _Outer) -> AnyExit:
        match node:
            case TaskCall() | ActionCall():
                return await self.leaves.call(self.next_step(), node)
            case Use() | Attempt():
                return await self._compute(node)
            case ForEach():
                return await self._fan_out(node)
            case Timeout() | Guard() | Collect():
                return await self._bounded(node)
            case Ensuring():
                return await self._ensuring(node)
            case Sleep() | _Pause():
                return await self._wait(node)
            case DirectCall():
                return await self.leaves.direct(self.next_step(), node.first)
            case RemoteCall() | RemoteJob():
                return await self.leaves.remote(self.next_step(), node)
            case _:
                _refuse(node)

    async def _wait(self, node: "Sleep | _Pause") -> AnyExit:
        step = node.step if isinstance(node, _Pause) else self.next_step()
        await self.leaves.wait(step, node.seconds)
        return Ok(None)

    async def _compute(self, node: Use[Any, Any, Any] | Attempt[Any, Any, Any]) -> AnyExit:
        step = self.next_step()
        work_of = node.f if isinstance(node, Attempt) else partial(node.f, self._impl(node))

        async def work() -> AnyExit:
            try:
                awaited = work_of()
                if not isawaitable(awaited):
                    raise TypeError(
                        f"{node!r} has to await something, and its function gave "
                        f"{type(awaited).__name__}: make it an `async def`"
                    )
                return Ok(await awaited)
            except node.raises as error:
                return Err(error, step.path)

        return await self.leaves.compute(step, node, work)

    def _impl(self, node: Use[Any, Any, Any]) -> Any:
        if node.capability not in self.given:
            name = node.capability.__name__
            raise LookupError(
                f"the program needs {name}: give it {name}.of(...) when it is run, or inside it, "
                f"by .provide({name}.of(...))"
            )
        return self.given[node.capability]

    async def _fan_out(self, node: ForEach[Any, Any, Any]) -> AnyExit:
        step = self.next_step()
        scope, given, task = self.scope.inner(step.path), self.given, node.f
        if isinstance(task, Action):
            scope.count(len(node.items))

            async def call(index: int) -> AnyExit:
                one = Step(f"{step.path}/{index}", index=index)
                return await self.leaves.call(one, TaskCall(task, (node.items[index],), {}))

            return await self.leaves.fan_out(step, node, call)

        async def item(index: int) -> AnyExit:
            inner = scope.inner(f"{step.path}/{index}")
            body: AnyEffect = FlatMap(
                Succeed(node.items[index]), node.f
            )  # so that a defect gets its note
            return await walk(body, self.leaves, inner, given)

        return await self.leaves.fan_out(step, node, item)

    async def _bounded(
        self, node: Timeout[Any, Any, Any] | Guard[Any, Any, Any] | Collect[Any, Any, Any]
    ) -> AnyExit:
        step, leaves = self.next_step(), self.leaves
        match node:
            case Timeout():
                child = self._child(node.first, step.path)
                return await leaves.limit(step, node.seconds, child)
            case Guard():
                return await guard(node, step, leaves, self._child(node.first, step.path))
            case Collect():
                return await Collecting(node, step, leaves, self._child, self.scope.count).run()

    async def _ensuring(self, node: Ensuring[Any, Any, Any]) -> AnyExit:
        # The finalizer's steps have a scope of their own: after a cancellation nobody can tell
        # how many steps of the body came first.
        finalizer = self._child(node.finalizer, f"{self.scope.step()}/end")
        try:
            exit_ = await walk(node.first, self.leaves, self.scope, self.given)
        except BaseException:
            with cleaning_up():
                await finalizer()
            raise
        with cleaning_up():
            ended = await finalizer()
        return exit_ if isinstance(ended, Ok) else ended

    def _child(self, node: AnyEffect, path: str) -> Child:
        scope, given = self.scope.inner(path), self.given
        return lambda: walk(node, self.leaves, scope, given)


# Entering a structural node: remember what follows, go on with its child.


def _push(walk: _Walk, node: Any) -> Any:
    walk.stack.append(node)
    return node.first


def _enter_named(walk: _Walk, node: Named[Any, Any, Any] | NamedCall[Any, Any, Any]) -> AnyEffect:
    inner = node.first
    while isinstance(inner, (Named, NamedCall, Retry)):
        inner = inner.first
    if isinstance(inner, _LEAF_KINDS):  # the name belongs to the step itself
        if walk.attempts is None:
            walk.label = walk.label or node.label
        else:
            step = walk.attempts.step
            walk.attempts.step = replace(step, label=step.label or node.label)
        return node.first
    step = Step(walk.scope.step(), node.label)
    walk.leaves.opened(step)
    walk.stack.append(_Restore(walk.given, walk.scope))
    walk.scope = walk.scope.inner(step.path)
    return node.first


def _enter_retry(walk: _Walk, node: Retry[Any, Any, Any]) -> AnyEffect:
    outer = walk.attempts
    attempts = outer or _Attempts(walk.next_step())
    walk.stack.append(_Retrying(node, attempts, outer))
    walk.attempts = attempts
    return node.first


def _enter_provide(walk: _Walk, node: Provide[Any, Any, Any]) -> AnyEffect:
    walk.stack.append(_Restore(walk.given, walk.scope))
    walk.given = {**walk.given, **node.given.table}
    return node.first


def _enter_do(walk: _Walk, node: DoBlock[Any, Any, Any]) -> AnyEffect:
    function: Any = node.function
    body = function.__wrapped__(*node.args, **node.kwargs)
    if not isinstance(body, Generator):
        raise TypeError(
            f"{function.__name__} has no `yield from`, so it needs no @fx.do: let it return an "
            "effect, such as fx.succeed(value)"
        )
    walk.stack.append(_Body(body))
    return _START


# Coming back to a frame with a value: the node to go on with, `Succeed` for a plain value.


def _second(walk: _Walk, frame: Zip[Any, Any, Any], value: Any) -> AnyEffect:
    walk.stack.append(_Paired(value))
    return frame.second


def _send(walk: _Walk, frame: _Body, value: Any) -> AnyEffect:
    try:
        node: Any = frame.generator.send(value)
    except StopIteration as end:
        return Succeed(end.value)
    walk.stack.append(frame)
    if not isinstance(node, Effect):
        raise TypeError(f"write `yield from` an effect, not `yield {brief(node)}`")
    return node


def _restore(walk: _Walk, frame: _Restore, value: Any) -> AnyEffect:
    walk.given, walk.scope = frame.given, frame.scope
    return Succeed(value)


def _retried(walk: _Walk, frame: _Retrying, value: Any) -> AnyEffect:
    walk.attempts = frame.outer
    return Succeed(value)


# Coming back to a frame with a failure: the node to go on with, None to fail on.


def _again(walk: _Walk, frame: _Retrying, exit_: Err[Any]) -> AnyEffect | None:
    step = replace(frame.attempts.step, attempt=frame.attempts.made)
    spread = chance(job_id(walk.leaves.run_id, step.path, step.attempt))
    delay = frame.node.schedule.delay_after(frame.tried, exit_.error, spread)
    if delay is None:
        walk.attempts = frame.outer
        return None
    frame.tried += 1
    walk.stack.append(frame)
    if not delay:
        return frame.node.first
    walk.stack.append(FlatMap(_START, lambda _: frame.node.first))
    return _Pause(step, delay)


def _close(walk: _Walk, frame: _Body, exit_: Err[Any]) -> None:
    with suppress(RuntimeError):  # a body that yields while it is closed has nothing to say
        frame.generator.close()


def _restore_on_error(walk: _Walk, frame: _Restore, exit_: Err[Any]) -> None:
    walk.given, walk.scope = frame.given, frame.scope


_LEAF_KINDS = (
    TaskCall,
    ActionCall,
    DirectCall,
    RemoteCall,
    RemoteJob,
    Use,
    Attempt,
    Sleep,
    ForEach,
    Timeout,
    Guard,
    Collect,
)
_ENTER: dict[type, Callable[[_Walk, Any], AnyEffect]] = {
    FlatMap: _push,
    Map: _push,
    CatchAll: _push,
    Catch: _push,
    Either: _push,
    Zip: _push,
    Named: _enter_named,
    NamedCall: _enter_named,
    Retry: _enter_retry,
    Provide: _enter_provide,
    DoBlock: _enter_do,
}
_ON_VALUE: dict[type, Callable[[_Walk, Any, Any], AnyEffect]] = {
    Catch: lambda walk, frame, value: Succeed(value),
    Either: lambda walk, frame, value: Succeed(Ok(value)),
    Zip: _second,
    _Paired: lambda walk, frame, value: Succeed((frame.first, value)),
    _Body: _send,
    _Restore: _restore,
    _Retrying: _retried,
}
_ON_ERROR: dict[type, Callable[[_Walk, Any, Err[Any]], AnyEffect | None]] = {
    CatchAll: lambda walk, frame, exit_: frame.f(exit_.error),
    Catch: lambda walk, frame, exit_: (
        frame.f(exit_.error) if isinstance(exit_.error, frame.failure) else None
    ),
    Either: lambda walk, frame, exit_: Succeed(exit_),
    _Retrying: _again,
    _Body: _close,
    _Restore: _restore_on_error,
}
