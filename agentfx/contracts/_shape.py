"""Types as data: what a JSON Schema says, as far as Python has a type for it.

`_read` makes shapes of schemas. A value is checked against one by `_accept`, it is written as
source by `_write`, as one line for people by `_brief`, and compared with another one by `_within`.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value.

    Attributes:
        why: What the schema says that has no Python type; None if it says nothing.
        said: The schema, as JSON text, where there is such a reason.
    """

    why: str | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No value at all."""


@dataclass(frozen=True, slots=True)
class Null:
    """The null."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Numeric:
    """A number.

    Attributes:
        whole: An integer.
        bounds: Of `ge`, `gt`, `le`, `lt` and `multiple_of`, those that are given.
    """

    whole: bool
    bounds: tuple[tuple[str, int | float], ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A string.

    Attributes:
        bounds: Of `min_length`, `max_length` and `pattern`, those that are given.
        format: One that Python has a type for; None for plain text.
    """

    bounds: tuple[tuple[str, int | str], ...] = ()
    format: str | None = None


@dataclass(frozen=True, slots=True)
class OneOfValues:
    """One of some values.

    Attributes:
        values: As JSON text, so that `1`, `1.0` and `true` are told apart.
    """

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """An array of one kind of item."""

    item: "Shape"
    bounds: tuple[tuple[str, int], ...] = ()
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """An array of a fixed length."""

    items: "tuple[Shape, ...]"
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """An object whose keys are not known."""

    key: Text
    value: "Shape"
    bounds: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A property of an object."""

    name: str
    shape: "Shape"
    required: bool
    description: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known keys; a class of its own.

    Attributes:
        name: Words of the class name.
        open: Other keys are allowed.
    """

    name: str
    fields: tuple[Field, ...]
    open: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Either:
    """One of several shapes.

    Attributes:
        exactly: A value that fits two of them is refused.
    """

    shapes: "tuple[Shape, ...]"
    exactly: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """A shape that is defined once, and refers to itself or is referred to by several."""

    name: str


Shape: TypeAlias = (
    Anything
    | Nothing
    | Null
    | Boolean
    | Numeric
    | Text
    | OneOfValues
    | Listing
    | Row
    | Mapping
    | Record
    | Either
    | Named
)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What one schema says.

    Attributes:
        root: Of the whole.
        named: The definitions that `Named` refers to.
    """

    root: Shape
    named: dict[str, Shape]


Schema: TypeAlias = Any
"""A JSON Schema: an object, true or false. From outside it may be any JSON value."""
