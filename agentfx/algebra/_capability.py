"""What a program needs from outside: capabilities, and the effects that use them."""

from abc import ABC
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Concatenate, Generic, Never, ParamSpec, Self, cast, get_type_hints, overload

from typing_extensions import TypeVar

from agentfx.algebra._effect import A, AnyEffect, Applied, E, Effect, EffectThatNeeds, R
from agentfx.algebra._failure import Failure
from agentfx.algebra._structure import brief, name_of, node

P = ParamSpec("P")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
A2 = TypeVar("A2")
E2 = TypeVar("E2")
R2 = TypeVar("R2")
X = TypeVar("X", bound=Failure)
Y = TypeVar("Y", bound=Failure)
Env = TypeVar("Env", contravariant=True)


class LocalOnly:
    """The requirement of `for_each_par`: only `run_memory` meets it."""


class MemoryEnv(Generic[Env]):
    """An environment that has at least these capabilities, for `run_memory`."""

    __slots__ = ()


class DistEnv(Generic[Env]):
    """An environment that has at least these capabilities, for `run_dist`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Given(Applied, MemoryEnv[C | LocalOnly], DistEnv[C], Generic[C]):
    """Implementations of exactly the capabilities `C`; join with `|`, call to discharge them."""

    table: Mapping[type[Any], Any] = field(repr=False)

    def __or__(self, other: "Given[D]") -> "Given[C | D]":
        return Given({**self.table, **other.table})

    @overload
    def __call__(self, effect: EffectThatNeeds[A2, E2, C, C]) -> Effect[A2, E2, Never]: ...
    @overload
    def __call__(self, effect: EffectThatNeeds[A2, E2, R2 | C, C]) -> Effect[A2, E2, R2]: ...
    def __call__(self, effect: Any) -> Any:
        made: AnyEffect = Provide(effect, self)
        return made

    def __repr__(self) -> str:
        return " | ".join(f"{key.__name__}.of({brief(impl)})" for key, impl in self.table.items())


class Capability(ABC):  # noqa: B024 - the interfaces below it have the abstract methods
    """Something a program needs and its caller supplies.

    Subclass once for the interface, which is the key, then again for each implementation.

    Example:
        class LLM(fx.Capability):
            @abstractmethod
            async def ask(self, prompt: str) -> str: ...

        LLM.call(LLM.ask, "hello")      # Effect[str, Never, LLM]
        LLM.of(Claude())                # Given[LLM]
    """

    @classmethod
    def of(cls, implementation: Self) -> Given[Self]:
        """Supply an implementation."""
        return Given({cls._key(): implementation})

    @classmethod
    def call(
        cls, method: Callable[Concatenate[Self, P], Awaitable[B]], *args: P.args, **kwargs: P.kwargs
    ) -> Effect[B, Never, Self]:
        """Call one of its methods; the value's type comes from the method's annotation."""
        return Use(cls._key(), MethodCall(name_of(method), args, kwargs), (), _returned_by(method))

    @overload
    @classmethod
    def use(
        cls, f: Callable[[Self], Awaitable[B]], *, returns: type[B] | None = None
    ) -> Effect[B, Never, Self]: ...
    @overload
    @classmethod
    def use(
        cls, f: Callable[[Self], Awaitable[B]], *, raises: type[X], returns: type[B] | None = None
    ) -> Effect[B, X, Self]: ...
    @overload
    @classmethod
    def use(
        cls,
        f: Callable[[Self], Awaitable[B]],
        *,
        raises: tuple[type[X], type[Y]],
        returns: type[B] | None = None,
    ) -> Effect[B, X | Y, Self]: ...
    @classmethod
    def use(cls, f: Any, *, raises: Any = (), returns: Any = None) -> Any:
        """Use the implementation in a function.

        Args:
            f: Called with the implementation; at least once, like a task.
            raises: The failure it may raise, or a pair; any other exception is a defect.
            returns: The type by which a journal rebuilds the value.
        """
        made: AnyEffect = Use(cls._key(), f, as_failures(raises), returns)
        return made

    @classmethod
    def _key(cls) -> type[Any]:
        # A subclass of an interface would be another key than the one that programs ask for.
        if Capability not in cls.__bases__:
            interface = cls.__bases__[0].__name__
            raise TypeError(
                f"{cls.__name__} implements a capability, it is not one: use {interface}.of"
            )
        return cls


def as_failures(raises: Any) -> tuple[type[Failure], ...]:
    """One failure class or a tuple of them, checked.

    Raises:
        TypeError: Something else was declared.
    """
    declared = cast("tuple[object, ...]", raises if isinstance(raises, tuple) else (raises,))
    found: list[type[Failure]] = []
    for cls in declared:
        if not (isinstance(cls, type) and issubclass(cls, Failure)):
            raise TypeError(f"raises= takes subclasses of fx.Failure, not {cls!r}")
        found.append(cls)
    return tuple(found)


@cache
def _returned_by(method: Callable[..., Any]) -> Any:
    return get_type_hints(method, include_extras=True).get("return")


@dataclass(frozen=True, slots=True)
class MethodCall:
    """Calls a method of whatever implementation it is given."""

    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def __call__(self, implementation: Any) -> Awaitable[Any]:
        found: Awaitable[Any] = getattr(implementation, self.method)(*self.args, **self.kwargs)
        return found

    def __str__(self) -> str:
        texts = [*map(brief, self.args), *(f"{k}={brief(v)}" for k, v in self.kwargs.items())]
        return f"{self.method}({', '.join(texts)})"


@node
class Use(Effect[A, E, R]):
    """Use a capability; a journaled step under dist."""

    capability: type[Any]
    f: Callable[[Any], Awaitable[Any]]
    raises: tuple[type[Failure], ...]
    returns: Any

    def text(self) -> str:
        """See `Structure.text`."""
        text = str(self.f) if isinstance(self.f, MethodCall) else f"use({name_of(self.f)})"
        return f"{self.capability.__name__}.{text}"


@node
class Provide(Effect[A, E, R]):
    """Run `first` with more capabilities."""

    first: AnyEffect
    given: Given[Any]

    def text(self) -> str:
        """See `Structure.text`."""
        return f".provide({self.given!r})"
