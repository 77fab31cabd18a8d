"""Programs as data: an immutable tree of effects that interpreters walk.

`Effect[A, E, R]` succeeds with an `A`, fails with one of the union `E`, and needs the
capabilities of the union `R`. All three are covariant; `Never` means none. A node does
nothing by itself, and every operation on a tree is iterative: 100,000 chained nodes are fine.
"""

from collections.abc import Callable, Generator
from typing import Any, Generic, Never, Protocol, Self, TypeAlias, cast

from typing_extensions import TypeVar

from agentfx.algebra._exit import Exit
from agentfx.algebra._failure import Failure, TimedOut
from agentfx.algebra._schedule import Schedule, attempts
from agentfx.algebra._structure import Structure, brief, function_given, name_of, node

A = TypeVar("A", covariant=True)
E = TypeVar("E", covariant=True, default=Never)
R = TypeVar("R", covariant=True, default=Never)
AView = TypeVar("AView", covariant=True)
EView = TypeVar("EView", covariant=True)
RView = TypeVar("RView", covariant=True)
Member = TypeVar("Member", contravariant=True)
B = TypeVar("B")
C = TypeVar("C")
A2 = TypeVar("A2")
E2 = TypeVar("E2")
R2 = TypeVar("R2")
X = TypeVar("X", bound=Failure)


class UseYieldFrom:
    """The type of x in `x = yield effect`: write `x = yield from effect`."""


class Applied:
    """What `catch` and `provide` take: it is given the effect, and changes its type."""

    __slots__ = ()


class Effect(Structure, Generic[A, E, R]):
    """A description of work; `run_memory` and `run_dist` give it its meaning."""

    __slots__ = ()

    def map(self, f: Callable[[A], B]) -> "Effect[B, E, R]":
        """Apply a function to the value."""
        return Map(self, function_given(f, "map"))

    def flat_map(self, f: "Callable[[A], Effect[B, E2, R2]]") -> "Effect[B, E | E2, R | R2]":
        """Go on with the effect that `f` makes of the value."""
        return FlatMap(self, function_given(f, "flat_map"))

    def catch_all(self, f: "Callable[[E], Effect[B, E2, R2]]") -> "Effect[A | B, E2, R | R2]":
        """Recover from any declared failure; exceptions that nobody declared pass through."""
        return CatchAll(self, function_given(f, "catch_all", "lambda error: …"))

    def catch(self, handler: Callable[[Self], C]) -> C:
        """Recover from one failure: `effect.catch(on(NotFound).do(f))` removes it from the type.

        Raises:
            TypeError: It is no such handler.
        """
        # A function would be given the effect itself.
        if not isinstance(cast("object", handler), Applied):
            raise TypeError(
                f"catch takes fx.on(Failure).do(f), not {name_of(handler)}: catch_all takes a "
                "function of any failure"
            )
        return handler(self)

    def either(self) -> "Effect[Exit[A, E], Never, R]":
        """Succeed with the exit itself, `Ok` or `Err`."""
        return Either(self)

    def zip(self, other: "Effect[B, E2, R2]") -> "Effect[tuple[A, B], E | E2, R | R2]":
        """Run `other` after this one and pair the values."""
        return Zip(self, other)

    def timeout(self, seconds: float) -> "Effect[A, E | TimedOut, R]":
        """Fail with `TimedOut` and cancel what runs unless it ends in time."""
        return Timeout(self, positive(seconds))

    def ensuring(self, finalizer: "Effect[Any, Never, R2]") -> "Effect[A, E, R | R2]":
        """Run `finalizer` however this ends: value, failure, exception or cancellation."""
        return Ensuring(self, finalizer)

    def named(self, label: str) -> Self:
        """Give the step a name in trees, timelines and errors."""
        return cast("Self", Named(self, label))

    def provide(self, given: Callable[[Self], C]) -> C:
        """Supply capabilities: `effect.provide(LLM.of(impl))` removes LLM from the type.

        Raises:
            TypeError: It is something else.
        """
        if not isinstance(cast("object", given), Applied):
            raise TypeError(f"give capabilities as LLM.of(implementation), not as {brief(given)}")
        return given(self)

    def __iter__(self) -> Generator["Effect[Any, E, R]", UseYieldFrom, A]:
        # For do-notation: the type of `yield from effect` is that of the value.
        return cast("A", (yield self))

    # Phantoms: only their types are used, by EffectThatNeeds and EffectThatFailsWith. R and E
    # stand in a parameter on purpose, so that "C is a member of R" is an assignability check.
    def _view(self) -> "Effect[A, E, R]":
        return self

    def _needs(self, c: R, /) -> None: ...  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]

    def _fails(self, e: E, /) -> None: ...  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


AnyEffect: TypeAlias = Effect[Any, Any, Any]


class EffectThatNeeds(Protocol[AView, EView, RView, Member]):
    """An effect one of whose required capabilities is `Member`."""

    def _view(self) -> Effect[AView, EView, RView]: ...
    def _needs(self, c: Member, /) -> None: ...


class EffectThatFailsWith(Protocol[AView, EView, RView, Member]):
    """An effect one of whose failures is `Member`."""

    def _view(self) -> Effect[AView, EView, RView]: ...
    def _fails(self, e: Member, /) -> None: ...


class Replayable(Effect[A, E, R]):
    """An effect that may run again: a task's call, and retries of it."""

    __slots__ = ()

    def retry(self, policy: int | Schedule) -> "Replayable[A, E, R]":
        """Try again after a failure.

        Args:
            policy: Attempts in all, or a schedule such as `exponential(0.1, attempts=6)`.
                A `ContractViolation` is not tried again unless the schedule's `when` asks.
        """
        return Retry(self, policy if isinstance(policy, Schedule) else attempts(policy))

    def named(self, label: str) -> Self:
        """Give the step a name in trees, timelines and errors."""
        return cast("Self", NamedCall(self, label))

    def direct(self) -> Effect[A, E, R]:
        """Make it a plain call to a worker: not durable, not run again after a crash.

        Raises:
            TypeError: This is not a task's call itself, but a retry or a name around one.
        """
        raise TypeError(f"take .direct() of the task's call itself, not of {self!r}")


def positive(seconds: float) -> float:
    """Check a duration.

    Raises:
        ValueError: It is not a positive number of seconds.
    """
    if not (isinstance(cast("object", seconds), (int, float)) and seconds > 0):
        raise ValueError(f"a timeout is a positive number of seconds, not {seconds!r}")
    return seconds


@node
class Succeed(Effect[A]):
    """End with a value."""

    value: A

    def text(self) -> str:
        return f"succeed({brief(self.value)})"


@node
class Fail(Effect[Never, E]):
    """End with a failure."""

    error: E

    def text(self) -> str:
        return f"fail({brief(self.error)})"


@node
class Map(Effect[A, E, R]):
    """Apply a function to the value of `first`."""

    first: AnyEffect
    f: Callable[[Any], Any]

    def text(self) -> str:
        return f".map({name_of(self.f)})"


@node
class FlatMap(Effect[A, E, R]):
    """Go on with the effect that `f` makes of the value of `first`."""

    first: AnyEffect
    f: Callable[[Any], AnyEffect]

    def text(self) -> str:
        return f".flat_map({name_of(self.f)})"


@node
class Zip(Effect[A, E, R]):
    """Run two effects one after the other and pair their values."""

    first: AnyEffect
    second: AnyEffect

    def text(self) -> str:
        return f".zip({brief(self.second)})"


@node
class CatchAll(Effect[A, E, R]):
    """Recover from any failure of `first`."""

    first: AnyEffect
    f: Callable[[Any], AnyEffect]

    def text(self) -> str:
        return f".catch_all({name_of(self.f)})"


@node
class Catch(Effect[A, E, R]):
    """Recover from failures of `first` that are a `failure`."""

    first: AnyEffect
    failure: type[Failure]
    f: Callable[[Any], AnyEffect]

    def text(self) -> str:
        return f".catch(on({self.failure.__name__}).do({name_of(self.f)}))"


@node
class Either(Effect[A, E, R]):
    """Succeed with the exit of `first`."""

    first: AnyEffect

    def text(self) -> str:
        return ".either()"


@node
class Timeout(Effect[A, E, R]):
    """Cancel `first` after some seconds."""

    first: AnyEffect
    seconds: float

    def text(self) -> str:
        return f".timeout({self.seconds:g})"


@node
class Ensuring(Effect[A, E, R]):
    """Run `finalizer` however `first` ends."""

    first: AnyEffect
    finalizer: AnyEffect

    def text(self) -> str:
        return f".ensuring({brief(self.finalizer)})"


@node
class Named(Effect[A, E, R]):
    """Label the step `first`."""

    first: AnyEffect
    label: str

    def text(self) -> str:
        return f".named({self.label!r})"


@node
class NamedCall(Replayable[A, E, R]):
    """Label the replayable step `first`."""

    first: Replayable[Any, Any, Any]
    label: str

    def text(self) -> str:
        return f".named({self.label!r})"


@node
class Retry(Replayable[A, E, R]):
    """Try `first` again while the schedule says so."""

    first: Replayable[Any, Any, Any]
    schedule: Schedule

    def text(self) -> str:
        return f".retry({self.schedule})"


@node
class Sleep(Effect[None]):
    """Wait; under dist the due time is journaled, so a resumed run waits only for the rest."""

    seconds: float

    def text(self) -> str:
        return f"sleep({self.seconds:g})"
