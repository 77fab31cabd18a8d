"""What every node of a program can do without recursion: compare, hash, pickle and print.

Programs are chained 100,000 nodes deep, beyond the recursion limit that the generated
methods of a dataclass would meet.
"""

import reprlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, fields
from functools import partial
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeVar, cast

from typing_extensions import dataclass_transform

C = TypeVar("C")

CHAIN_HEAD, CHAIN_TAIL = 12, 4
"""How many steps of a long chain `repr` shows at its two ends."""

NESTED = 1
"""How deep programs inside of programs are shown; shared parts would be shown again and again."""

_depth: ContextVar[int] = ContextVar("agentfx_depth", default=0)
_text = reprlib.Repr()
_text.maxstring = _text.maxother = 80
_text.maxlist = _text.maxtuple = _text.maxdict = _text.maxset = 4


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: type[C]) -> type[C]:
    """Make a frozen, slotted dataclass that keeps the comparison and text of `Structure`."""
    made: type[C] = dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)
    return made


class Structure:
    """Base of nodes made by `node`: a tree of fields, some of which are nodes again."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        return _equal(self, other)

    def __hash__(self) -> int:
        return _fold(self, lambda cls, fields: hash((cls, *map(_hash, fields))))

    def __repr__(self) -> str:
        return _render(self, CHAIN_HEAD, CHAIN_TAIL)

    def __reduce__(self) -> tuple[Callable[..., "Structure"], tuple[list[Any]]]:
        return _rebuild, (_tape(self),)

    def text(self) -> str:
        """What this node adds to the text of `first`, the node that it continues."""
        return type(self).__name__


def brief(value: object) -> str:
    """A bounded, one-line text of a value or a node."""
    if not isinstance(value, Structure):
        return _text.repr(value)
    depth = _depth.get()
    if depth >= NESTED:
        return "…"
    token = _depth.set(depth + 1)
    try:
        return _render(value, 2, 1)
    finally:
        _depth.reset(token)


def name_of(function: Callable[..., Any]) -> str:
    """The name of a callable as a reader of the program knows it."""
    if isinstance(function, partial):
        return name_of(function.func)
    name = getattr(function, "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else str(name)


def function_given(f: Any, taker: str, instead: str = "lambda value: …") -> Any:
    """Check that an operator was given a function: where it is written, not where it runs.

    Raises:
        TypeError: It was given something else.
    """
    if not callable(f):
        raise TypeError(f"{taker} takes a function, not {brief(f)}: {instead}")
    return f


_getters: dict[type, Callable[[Any], tuple[Any, ...]]] = {}


def fields_of(value: Structure) -> tuple[Any, ...]:
    """The field values of a node, in order."""
    cls = type(value)
    getter = _getters.get(cls)
    if getter is None:
        getter = _getters[cls] = _getter([f.name for f in fields(cast("Any", cls))])
    return getter(value)


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _equal(left: Structure, right: Structure) -> bool:
    pending: list[tuple[Any, Any]] = [(left, right)]
    seen: set[tuple[int, int]] = set()  # shared parts are compared once
    while pending:
        a, b = pending.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        if not (isinstance(a, Structure) and isinstance(b, Structure)):
            if a != b:
                return False
            continue
        if type(a) is not type(b):
            return False
        seen.add((id(a), id(b)))
        pending.extend(zip(fields_of(a), fields_of(b), strict=True))
    return True


def _post_order(root: Structure) -> Iterator[Structure]:
    """Every distinct node, children first."""
    pending: list[tuple[Structure, bool]] = [(root, False)]
    done: set[int] = set()
    while pending:
        value, opened = pending.pop()
        if id(value) in done:
            continue
        if opened:
            done.add(id(value))
            yield value
            continue
        pending.append((value, True))
        pending.extend((part, False) for part in fields_of(value) if isinstance(part, Structure))


def _fold(root: Structure, combine: Callable[[type, tuple[Any, ...]], int]) -> int:
    results: dict[int, int] = {}
    for value in _post_order(root):
        parts = tuple(
            results[id(part)] if isinstance(part, Structure) else part for part in fields_of(value)
        )
        results[id(value)] = combine(type(value), parts)
    return results[id(root)]


def _hash(value: object) -> int:
    try:
        return hash(value)
    except TypeError:  # a list or dict inside a value: equal values have equal types
        return hash(type(value))


@dataclass(frozen=True, slots=True)
class _Earlier:
    """In a pickled tape: the node at this position."""

    position: int


def _tape(root: Structure) -> list[Any]:
    positions: dict[int, int] = {}
    tape: list[Any] = []
    for value in _post_order(root):
        positions[id(value)] = len(tape)
        tape.append(
            (
                type(value),
                tuple(
                    _Earlier(positions[id(part)]) if isinstance(part, Structure) else part
                    for part in fields_of(value)
                ),
            )
        )
    return tape


def _rebuild(tape: list[Any]) -> Structure:
    made: list[Structure] = []
    for cls, parts in tape:
        made.append(cls(*(made[p.position] if isinstance(p, _Earlier) else p for p in parts)))
    return made[-1]


def _render(value: Structure, head: int, tail: int) -> str:
    nodes: list[Structure] = []
    current: object = value
    while isinstance(current, Structure):
        nodes.append(current)
        current = getattr(current, "first", None)
    nodes.reverse()
    hidden = len(nodes) - 1 - head - tail
    if hidden <= 0:
        return "".join(node.text() for node in nodes)
    begin, end = nodes[: 1 + head], nodes[len(nodes) - tail :]
    dots = f" …{hidden:,} more… "
    return "".join([*(n.text() for n in begin), dots, *(n.text() for n in end)])


def fingerprint(root: Structure) -> str:
    """A digest of a program's structure: kinds, names and ids, not values or items.

    The same program has the same fingerprint in every process; the values that its steps meet
    are checked one by one when a journal is replayed.
    """
    digest = blake2b(digest_size=16)
    for value in _post_order(root):
        names = (_named_part(part) for part in fields_of(value))
        digest.update("\0".join((type(value).__name__, *names)).encode() + b"\n")
    return digest.hexdigest()


def _named_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if callable(part):
        return str(getattr(part, "id", None) or getattr(part, "__qualname__", ""))
    return ""
