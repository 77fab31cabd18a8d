"""What every node of a program can do without recursion: compare, hash, pickle and print.

Programs are chained 100,000 nodes deep, beyond the recursion limit that the generated
methods of a dataclass would meet.
"""

import reprlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import MISSING, dataclass, fields
from functools import cache, partial
from hashlib import blake2b
from itertools import islice
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
    made: type[C] = dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)(cls)
    _build_fast(made)
    return made


def _build_fast(cls: type) -> None:
    """Give a dataclass an `__init__` that fills its slots by their descriptors.

    That of a frozen dataclass looks up `object.__setattr__` for each field, which takes half as
    long again, and programs are made of hundreds of thousands of nodes.
    """
    parts = fields(cast("Any", cls))
    names = [part.name for part in parts]
    body = "; ".join(f"fill_{name}(self, {name})" for name in names) or "pass"
    made: dict[str, Any] = {f"fill_{name}": getattr(cls, name).__set__ for name in names}
    exec(f"def __init__({', '.join(['self', *names])}): {body}", made)  # noqa: S102 - our names
    fast = made["__init__"]
    fast.__qualname__ = f"{cls.__qualname__}.__init__"
    fast.__defaults__ = tuple(p.default for p in parts if p.default is not MISSING)
    setattr(cls, "__init__", fast)  # noqa: B010 - a type checker would have it typed


class Structure:
    """Base of nodes made by `node`: a tree of fields, some of which are nodes again."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure):
            return NotImplemented
        return _equal(self, other)

    def __hash__(self) -> int:
        hashes: dict[int, int] = {}
        for value, parts in _post_order(self):
            known = (hashes[id(p)] if isinstance(p, Structure) else _hash(p) for p in parts)
            hashes[id(value)] = hash((type(value), *known))
        return hashes[id(self)]

    def __repr__(self) -> str:
        return _render(self, CHAIN_HEAD, CHAIN_TAIL)

    def __reduce__(self) -> tuple[Callable[..., "Structure"], tuple[object, ...]]:
        return _rebuild, _tape(self)

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


@cache
def _count(cls: Any) -> int:
    return len(fields(cls))


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _equal(left: Structure, right: Structure) -> bool:
    pending: list[tuple[Structure, Structure]] = [(left, right)]
    seen: set[tuple[int, int]] = set()  # shared parts are compared once
    while pending:
        a, b = pending.pop()
        if type(a) is not type(b):
            return False
        for x, y in zip(fields_of(a), fields_of(b), strict=True):
            if x is y:
                continue
            if not (isinstance(x, Structure) and isinstance(y, Structure)):
                if x != y:
                    return False
            elif (pair := (id(x), id(y))) not in seen:
                seen.add(pair)
                pending.append((x, y))
    return True


def _post_order(root: Structure) -> Iterator[tuple[Structure, tuple[Any, ...]]]:
    """Every distinct node and its fields, children first."""
    pending: list[Structure] = [root]
    done: set[int] = set()
    while pending:
        value = pending[-1]
        if id(value) not in done:
            parts = fields_of(value)
            inner = [part for part in parts if isinstance(part, Structure) and id(part) not in done]
            if inner:
                pending.extend(inner)
                continue
            done.add(id(value))
            yield value, parts
        pending.pop()


def _hash(value: object) -> int:
    try:
        return hash(value)
    except TypeError:  # a list or dict inside a value: equal values have equal types
        return hash(type(value))


def _tape(root: Structure) -> tuple[list[type], list[Any], dict[int, int]]:
    """Every distinct node: the types; their fields in one line; which of these are which nodes."""
    types: list[type] = []
    line: list[Any] = []
    nodes: dict[int, int] = {}
    positions: dict[int, int] = {}
    for value, parts in _post_order(root):
        for part in parts:
            if isinstance(part, Structure):
                nodes[len(line)] = positions[id(part)]
                line.append(None)
            else:
                line.append(part)
        positions[id(value)] = len(types)
        types.append(type(value))
    return types, line, nodes


def _rebuild(types: list[type], line: list[Any], nodes: dict[int, int]) -> Structure:
    made: dict[int, Structure] = {}
    parts = (made[nodes[at]] if at in nodes else part for at, part in enumerate(line))
    for position, cls in enumerate(types):
        made[position] = cls(*islice(parts, _count(cls)))
    return made[len(types) - 1]


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
    for value, parts in _post_order(root):
        names = (_named_part(part) for part in parts)
        digest.update("\0".join((type(value).__name__, *names)).encode() + b"\n")
    return digest.hexdigest()


def _named_part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if callable(part):
        return str(getattr(part, "id", None) or getattr(part, "__qualname__", ""))
    return ""
