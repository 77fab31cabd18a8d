"""Do-notation: programs written as generators, typed step by step."""

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any, Never, ParamSpec

from typing_extensions import TypeAliasType, TypeVar

from agentfx.algebra._effect import A, E, Effect, R, UseYieldFrom
from agentfx.algebra._structure import brief, name_of, node

P = ParamSpec("P")
A2 = TypeVar("A2")
E2 = TypeVar("E2")
R2 = TypeVar("R2")
DA = TypeVar("DA")
DE = TypeVar("DE", default=Never)
DR = TypeVar("DR", default=Never)

# An alias by itself would order its parameters by first appearance.
Do = TypeAliasType("Do", Generator[Effect[Any, DE, DR], UseYieldFrom, DA], type_params=(DA, DE, DR))
"""The return annotation of a do-function: `Do[value, failures, capabilities]`."""


def do(function: Callable[P, Do[A2, E2, R2]]) -> Callable[P, Effect[A2, E2, R2]]:
    """Make a program of a generator function.

    The body runs in the driver, again from its start at each retry and replay: between its
    steps it must be deterministic and do nothing outside effects.

    Example:
        @fx.do
        def report(url: str) -> fx.Do[str, NotFound, LLM]:
            page = yield from fetch(url)
            return (yield from LLM.call(LLM.ask, page.text))
    """

    @wraps(function)
    def make(*args: P.args, **kwargs: P.kwargs) -> Effect[A2, E2, R2]:
        return DoBlock(make, args, kwargs)

    return make


@node
class DoBlock(Effect[A, E, R]):
    """A call of a do-function; `function.__wrapped__` makes the generator.

    The wrapper is kept, not the function: pickle finds it by its name.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def text(self) -> str:
        """See `Structure.text`."""
        texts = [*map(brief, self.args), *(f"{k}={brief(v)}" for k, v in self.kwargs.items())]
        return f"{name_of(self.function)}({', '.join(texts)})"
