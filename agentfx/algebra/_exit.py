"""How a program ends."""

from dataclasses import dataclass, field
from typing import Generic, Never, NoReturn, cast

from typing_extensions import TypeAliasType, TypeVar

A = TypeVar("A", covariant=True)
E = TypeVar("E", covariant=True)
X = TypeVar("X")
F = TypeVar("F", default=Never)


@dataclass(frozen=True, slots=True)
class Ok(Generic[A]):
    """The program ended with a value."""

    value: A

    def unwrap(self) -> A:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Err(Generic[E]):
    """The program ended with a failure it declared.

    Attributes:
        error: The failure; compares by value.
        at: Path of the durable step that failed, such as `3/17/2`; outside equality.
    """

    error: E
    at: str | None = field(default=None, compare=False)

    def unwrap(self) -> NoReturn:
        """Raise the failure."""
        error = cast("Exception", self.error)
        if self.at is not None:
            error.add_note(f"at step {self.at}")
        raise error


# No plain alias: Python 3.13.0 cannot subscript one whose last variable has a default.
Exit = TypeAliasType("Exit", Ok[X] | Err[F], type_params=(X, F))
