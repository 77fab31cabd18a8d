"""Declared failures: exceptions with typed fields that compare, hash, pickle and print by value."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from typing_extensions import dataclass_transform


@dataclass_transform(eq_default=False, kw_only_default=True)
class Failure(Exception):
    """Base of declared failures; fields come from annotations and are given by keyword.

    Example:
        class NotFound(fx.Failure):
            url: str
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(kw_only=True, eq=False, repr=False)(cls)

    def values(self) -> dict[str, Any]:
        """The declared fields, by name."""
        cls: Any = type(self)
        return {f.name: getattr(self, f.name) for f in fields(cls)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Failure) or type(self) is not type(other):
            return NotImplemented
        return self.values() == other.values()

    def __hash__(self) -> int:
        # By repr: a field may hold a list, and a failure must still go into a set.
        return hash((type(self).__qualname__, repr(self.values())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fields_text()})"

    def __str__(self) -> str:
        return self.fields_text() or type(self).__name__

    def fields_text(self) -> str:
        """The fields as `name=value`, in order."""
        return ", ".join(f"{name}={value!r}" for name, value in self.values().items())

    def __reduce__(self) -> "tuple[Callable[..., Failure], tuple[type[Failure], dict[str, Any]]]":
        return _rebuild, (type(self), self.values())


def _rebuild(cls: type[Failure], values: dict[str, Any]) -> Failure:
    return cls(**values)


ErrorDetail: TypeAlias = tuple[str, tuple[str | int, ...], str]
"""One violation of a contract: type, location, message."""


class ContractViolation(Failure):
    """A task's input or output is not what its annotations promise.

    Attributes:
        task: Id of the task.
        where: Which side of the contract was violated.
        errors: (type, location, message) of each violation, as pydantic names them.
    """

    task: str
    where: Literal["input", "output"]
    errors: tuple[ErrorDetail, ...]

    def __str__(self) -> str:
        details = "; ".join(
            f"{'.'.join(map(str, loc)) or 'value'}: {msg}" for _, loc, msg in self.errors
        )
        return f"{self.where} of {self.task}: {details}"


Reason: TypeAlias = Literal[
    "crashed", "poison", "timeout", "lost", "no_worker", "unserializable", "too_large", "cancelled"
]


class TaskError(Failure):
    """A task did not come to an end of its own.

    Attributes:
        task: Id of the task.
        reason: Stable category; branch on this.
        message: One line for a person.
    """

    task: str
    reason: Reason
    message: str = ""

    def __str__(self) -> str:
        return f"{self.task} {self.reason}" + (f": {self.message}" if self.message else "")


class TimedOut(Failure):
    """`.timeout(seconds)` passed before the effect ended."""

    seconds: float

    def __str__(self) -> str:
        return f"not done within {self.seconds:g} s"
