"""Whether all values of one shape are values of another; where that is unclear, they are not."""

import json
from dataclasses import fields, is_dataclass
from typing import Any

from agentfx.contracts._accept import problems
from agentfx.contracts._shape import (
    Anything,
    Boolean,
    Either,
    Listing,
    Mapping,
    Named,
    Nothing,
    Null,
    Numeric,
    OneOfValues,
    Record,
    Row,
    Shape,
    Shapes,
    Text,
)


def within(narrow: Shapes, wide: Shapes) -> str | None:
    """None if every value of `narrow` is one of `wide`, else why not."""
    return _Within(narrow, wide).reason(narrow.root, wide.root, "")


class _Within:
    def __init__(self, narrow: Shapes, wide: Shapes) -> None:
        self._narrow, self._wide = narrow, wide
        # Recursive shapes: a pair is assumed to hold until something speaks against it.
        self._assumed: set[tuple[str, str]] = set()
        self._refuted: set[tuple[str, str]] = set()

    def reason(self, narrow: Shape, wide: Shape, at: str) -> str | None:
        """Why not, with the place; None if it is."""
        if isinstance(narrow, Named) and isinstance(wide, Named):
            return self._pair(narrow, wide, at)
        narrow = self._narrow.named[narrow.name] if isinstance(narrow, Named) else narrow
        wide = self._wide.named[wide.name] if isinstance(wide, Named) else wide
        if isinstance(narrow, Named) or isinstance(wide, Named):
            return self.reason(narrow, wide, at)
        if isinstance(wide, Anything) or isinstance(narrow, Nothing):
            if isinstance(wide, Anything) and not _is_same(narrow, wide):
                return _place(at, "it cannot be compared")
            return None
        if isinstance(wide, Either) and wide.exactly and narrow == wide and not _refers(wide):
            return None
        if isinstance(narrow, OneOfValues):
            return self._values(narrow, wide, at)
        if isinstance(narrow, Either):
            reasons = (self.reason(member, wide, at) for member in narrow.shapes)
            return next((reason for reason in reasons if reason is not None), None)
        if isinstance(wide, Either) and not wide.exactly:
            fits = any(self._is_within(narrow, member) for member in wide.shapes)
            return None if fits else _place(at, f"{_kind(narrow)} is not allowed")
        return self._plain(narrow, wide, at)

    def _pair(self, narrow: Named, wide: Named, at: str) -> str | None:
        pair = (narrow.name, wide.name)
        if pair in self._refuted:
            return _place(at, f"{narrow.name} is not within {wide.name}")
        if pair in self._assumed:
            return None
        self._assumed.add(pair)
        found = self.reason(self._narrow.named[pair[0]], self._wide.named[pair[1]], at)
        if found is not None:
            self._refuted.add(pair)  # for good: assumptions can only hide a reason
        return found

    def _is_within(self, narrow: Shape, member: Shape) -> bool:
        """Whether one member of a union is wide enough; what it assumed goes with it if not."""
        before = set(self._assumed)
        if self.reason(narrow, member, "") is None:
            return True
        self._assumed = before
        return False

    def _values(self, narrow: OneOfValues, wide: Shape, at: str) -> str | None:
        for text in narrow.values:
            if problems(Shapes(wide, self._wide.named), json.loads(text)):
                return _place(at, f"{text} is not allowed")
        return None

    def _plain(self, narrow: Shape, wide: Shape, at: str) -> str | None:
        match narrow, wide:
            case (Null(), Null()) | (Boolean(), Boolean()):
                return None
            case (Numeric(), Numeric()) if narrow.whole or not wide.whole:
                return _bounds(narrow.bounds, wide.bounds, at)
            case (Text(), Text()) if wide.format in (None, narrow.format):
                return _bounds(narrow.bounds, wide.bounds, at)
            case (Listing(), Listing()) if narrow.unique or not wide.unique:
                inner = self.reason(narrow.item, wide.item, f"{at}[]")
                return inner or _bounds(narrow.bounds, wide.bounds, at)
            case (Row(), Row()) if len(narrow.items) == len(wide.items) and (
                narrow.unique or not wide.unique
            ):
                pairs = zip(narrow.items, wide.items, strict=True)
                reasons = [self.reason(a, b, f"{at}[{i}]") for i, (a, b) in enumerate(pairs)]
                return next(filter(None, reasons), None)
            case (Mapping(), Mapping()):
                inner = self.reason(narrow.key, wide.key, f"{at} keys")
                inner = inner or self.reason(narrow.value, wide.value, f"{at}.*")
                return inner or _bounds(narrow.bounds, wide.bounds, at)
            case (Record(), Record()):
                return self._record(narrow, wide, at)
            case (Record(), Mapping()) if not wide.bounds and not wide.key.bounds:
                return self._record_as_mapping(narrow, wide, at)
            case _:
                return _place(at, f"{_kind(narrow)} is not {_kind(wide)}")

    def _record(self, narrow: Record, wide: Record, at: str) -> str | None:
        mine = {field.name: field for field in narrow.fields}
        for field in wide.fields:
            own = mine.pop(field.name, None)
            where = f"{at}.{field.name}"
            if own is None:
                # An open record may have the key all the same, with any value.
                if field.required or (narrow.open and field.shape != Anything()):
                    return _place(where, "it is missing, or anything, on one side")
                continue
            if field.required and not own.required:
                return _place(where, "it is required on one side only")
            reason = self.reason(own.shape, field.shape, where)
            if reason is not None:
                return reason
        if not wide.open and (mine or narrow.open):
            return _place(at, f"{', '.join(mine) or 'other keys'} would be refused")
        return None

    def _record_as_mapping(self, narrow: Record, wide: Mapping, at: str) -> str | None:
        if narrow.open and wide.value != Anything():
            return _place(at, "other keys may have any value")
        reasons = (self.reason(f.shape, wide.value, f"{at}.{f.name}") for f in narrow.fields)
        return next(filter(None, reasons), None)


def _is_same(narrow: Shape, wide: Anything) -> bool:
    """Whether all values of a shape are allowed by a schema that is not understood."""
    # What a reference in it leads to may have changed.
    return wide.why is None or (narrow == wide and "$ref" not in (wide.said or "$ref"))


def _refers(shape: Any) -> bool:
    if isinstance(shape, tuple):
        return any(map(_refers, shape))  # pyright: ignore[reportUnknownArgumentType]
    if not is_dataclass(shape):
        return False
    parts = (getattr(shape, field.name) for field in fields(shape))
    return isinstance(shape, Named) or any(map(_refers, parts))


def _bounds(narrow: Any, wide: Any, at: str) -> str | None:
    mine = dict(narrow)
    for name, limit in dict(wide).items():
        if name in ("pattern", "multiple_of"):
            if mine.get(name) != limit:
                return _place(at, f"{name} {limit!r} is not held to")
            continue
        lower = name in ("ge", "gt", "min_length")
        own = mine.get(name)
        if own is None and name in ("ge", "le"):  # strict bounds imply the loose ones
            own = mine.get({"ge": "gt", "le": "lt"}[name])
        if own is None and name == "min_length" and limit == 0:
            continue
        if own is None or (own < limit if lower else own > limit):
            return _place(at, f"{name} {limit} is not held to")
    return None


def _place(at: str, why: str) -> str:
    return f"{at.removeprefix('.')}: {why}" if at else why


_KINDS: dict[type, str] = {
    Anything: "any value", Null: "null", Boolean: "a boolean", Numeric: "a number", Text: "a text",
    OneOfValues: "one of some values", Listing: "an array",
    Mapping: "an object with any keys", Record: "an object", Either: "one of several shapes",
    Nothing: "no value", Named: "a definition",
}  # fmt: skip


def _kind(shape: Shape) -> str:
    if isinstance(shape, Numeric) and shape.whole:
        return "an integer"
    if isinstance(shape, Row):
        return f"an array of {len(shape.items)}{' different' if shape.unique else ''} items"
    return _KINDS[type(shape)]
