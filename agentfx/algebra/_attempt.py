"""Ordinary coroutines as effects."""

from collections.abc import Awaitable, Callable
from typing import Any, overload

from typing_extensions import TypeVar

from agentfx.algebra._capability import as_failures
from agentfx.algebra._effect import A, AnyEffect, E, Effect, R
from agentfx.algebra._failure import Failure
from agentfx.algebra._structure import function_given, name_of, node

B = TypeVar("B")
X = TypeVar("X", bound=Failure)
Y = TypeVar("Y", bound=Failure)


@node
class Attempt(Effect[A, E, R]):
    """Run a coroutine function in the driver; a journaled step under dist."""

    f: Callable[[], Awaitable[Any]]
    raises: tuple[type[Failure], ...]
    returns: Any

    def text(self) -> str:
        """See `Structure.text`."""
        return f"attempt({name_of(self.f)})"


@overload
def attempt(f: Callable[[], Awaitable[B]], *, returns: type[B] | None = None) -> Effect[B]: ...
@overload
def attempt(
    f: Callable[[], Awaitable[B]], *, raises: type[X], returns: type[B] | None = None
) -> Effect[B, X]: ...
@overload
def attempt(
    f: Callable[[], Awaitable[B]],
    *,
    raises: tuple[type[X], type[Y]],
    returns: type[B] | None = None,
) -> Effect[B, X | Y]: ...
def attempt(f: Any, *, raises: Any = (), returns: Any = None) -> Any:
    """Run a coroutine function where the program is driven, at least once.

    Args:
        f: Called without arguments, on the loop that called `run_*`.
        raises: The failure it may raise, or a pair; any other exception is a defect.
        returns: The type by which a journal rebuilds the value.
    """
    f = function_given(f, "attempt", "a coroutine function, `async def` without parameters")
    made: AnyEffect = Attempt(f, as_failures(raises), returns)
    return made
