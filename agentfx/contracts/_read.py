"""JSON Schema into shapes; what has no Python type becomes `Anything`, with the reason."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agentfx.contracts._disjoint import are_disjoint
from agentfx.contracts._document import MOST_DEPTH, Document
from agentfx.contracts._keywords import (
    FORMATS,
    bounds_of,
    numeric_bounds,
    pattern_is_known,
    values_text,
)
from agentfx.contracts._merge import CannotMergeError, Keywords, all_of, says_something
from agentfx.contracts._names import Names
from agentfx.contracts._shape import (
    Anything,
    Boolean,
    Either,
    Field,
    Listing,
    Mapping,
    Named,
    Nothing,
    Null,
    Numeric,
    OneOfValues,
    Record,
    Row,
    Schema,
    Shape,
    Shapes,
    Text,
)
from agentfx.wire import is_array, is_object

MOST_BRANCHES = 64
_ILL_FORMED = (AttributeError, TypeError, ValueError)
"""Of keywords that have something else than JSON Schema gives them, a list for a number say."""
_NO_TYPE = (
    "not", "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies",
    "patternProperties", "contains", "minContains", "maxContains", "unevaluatedItems",
    "$dynamicRef", "$recursiveRef", "contentSchema",
)  # fmt: skip
_TYPED = {
    "properties": "object", "required": "object", "additionalProperties": "object",
    "propertyNames": "object", "minProperties": "object", "maxProperties": "object",
    "items": "array", "prefixItems": "array", "minItems": "array", "maxItems": "array",
    "uniqueItems": "array", "minLength": "string", "maxLength": "string", "pattern": "string",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number",
    "exclusiveMaximum": "number", "multipleOf": "number",
}  # fmt: skip


def read_schema(schema: Schema | None, name: str) -> Shapes:
    """The shapes of a schema.

    Args:
        schema: Of any draft from 4 on; nothing in it is trusted. None where none is published:
            any value goes.
        name: Words from which the names of its classes are made.
    """
    if schema is None:
        return Shapes(Anything(), {})
    if not _is_text(schema):
        return Shapes(Anything("it is nested too deeply, or holds half a character"), {})
    reader = _Reader(schema, name)
    root = reader.shape(schema, name)
    return Shapes(root, reader.named)


def _is_text(schema: Schema) -> bool:
    try:
        json.dumps(schema, ensure_ascii=False).encode()
    except (RecursionError, UnicodeEncodeError):
        return False
    return True


class _Reader:
    def __init__(self, document: Schema, name: str) -> None:
        self.named: dict[str, Shape] = {}
        self._document = Document(document, name)
        self._depth = 0
        self._words: dict[str, str] = {}  # of definitions, by reference
        self._names = Names()

    def shape(self, schema: Schema, name: str) -> Shape:
        """The shape of a schema that stands under a name."""
        if schema is True or schema == {}:
            return Anything()
        if schema is False:
            return Nothing()
        if not is_object(schema):
            return Anything("this is no JSON Schema")
        if self._depth >= MOST_DEPTH:
            return Anything("the schema is nested too deeply")
        self._depth += 1
        try:
            shape = self._nullable(schema, self._combined(schema, name))
        except CannotMergeError as error:
            shape = Anything(str(error))
        except _ILL_FORMED:
            shape = Anything("this is no JSON Schema")
        finally:
            self._depth -= 1
        if isinstance(shape, Anything) and shape.why is not None:
            return replace(shape, said=json.dumps(schema, sort_keys=True))
        return shape

    def _nullable(self, schema: Keywords, shape: Shape) -> Shape:
        if schema.get("nullable") is True and not isinstance(shape, Anything):  # of OpenAPI 3.0
            return _either([shape, Null()])
        return shape

    # References and combinations

    def _combined(self, schema: Keywords, name: str) -> Shape:
        if "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            if not says_something(rest):
                return self._referred(schema["$ref"])
        for key in _NO_TYPE:
            if key in schema:
                return Anything(f"`{key}` has no Python type")
        if "$ref" in schema or "allOf" in schema:
            only = _only_part(schema)
            return self.shape(self._document.merged(schema) if only is None else only, name)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._branches(schema, key, name)
        return self._plain(schema, name)

    def _referred(self, reference: Any) -> Shape:
        found = self._document.target(reference)
        if found is None:
            return Anything("it refers to another document")
        target, last = found
        words = self._words.get(reference)
        if words is None:
            words = self._words[reference] = self._names.take(last)
            self.named[words] = Anything()  # while it is read: it may refer to itself
            self.named[words] = self.shape(target, words)
            if self._is_bottomless(words):
                self.named[words] = Anything("it refers to itself, and to nothing that ends")
        return Named(words)

    def _is_bottomless(self, words: str) -> bool:
        """Whether a definition leads to itself without an array or object in between."""
        pending, seen = [self.named[words]], set[str]()
        while pending:
            shape = pending.pop()
            if isinstance(shape, Either):
                pending += shape.shapes
            elif isinstance(shape, Named) and shape.name not in seen:
                seen.add(shape.name)
                pending.append(self.named[shape.name])
        return words in seen

    def _branches(self, schema: Keywords, key: str, name: str) -> Shape:
        branches: Any = schema[key]
        if not is_array(branches) or not 0 < len(branches) <= MOST_BRANCHES:
            return Anything(f"`{key}` has no branches, or too many")
        rest = {k: v for k, v in schema.items() if k not in (key, "discriminator")}
        if says_something(rest):
            common = {k: v for k, v in rest.items() if k not in ("title", "description")}
            branches = [all_of(branch, common) for branch in branches]
        shapes = [self.shape(b, _branch_name(b, name, i)) for i, b in enumerate(branches, 1)]
        unknown = next((s for s in shapes if isinstance(s, Anything)), None)
        if unknown is not None:
            return Anything(unknown.why or (None if key == "anyOf" else "`oneOf` with any value"))
        exactly = key == "oneOf" and not are_disjoint(shapes, self.named)
        return _either(shapes, exactly=exactly)

    # One schema without combinations

    def _plain(self, schema: Keywords, name: str) -> Shape:
        if "enum" in schema or "const" in schema:
            return self._values(schema, name)
        kinds: Any = schema.get("type")
        if kinds is None:
            key = next((key for key in schema if key in _TYPED), None)
            return Anything(f"`{key}` without `type` allows values of other types" if key else None)
        shapes = [
            self._typed(kind, schema, name)
            for kind in dict.fromkeys(kinds if is_array(kinds) else [kinds])
        ]
        return _either(shapes) if shapes else Nothing()

    def _values(self, schema: Keywords, name: str) -> Shape:
        values: Any = [schema["const"]] if "const" in schema else schema["enum"]
        if not is_array(values):
            return Anything("`enum` is no list")
        if "const" in schema and "enum" in schema:
            values = [value for value in values if value in schema["enum"]]
        rest = self.shape({k: v for k, v in schema.items() if k not in ("enum", "const")}, name)
        texts = values_text(values, Shapes(rest, self.named))
        return OneOfValues(texts) if texts else Nothing()

    def _typed(self, kind: Any, schema: Keywords, name: str) -> Shape:
        match kind:
            case "null":
                return Null()
            case "boolean":
                return Boolean()
            case "integer" | "number":
                return Numeric(kind == "integer", numeric_bounds(schema))
            case "string":
                return self._text(schema)
            case "array":
                return self._array(schema, name)
            case "object":
                return self._object(schema, name)
            case _:
                return Anything("its `type` is unknown")

    def _text(self, schema: Keywords) -> Shape:
        bounds = bounds_of(schema, {"minLength": "min_length", "maxLength": "max_length"})
        pattern: Any = schema.get("pattern")
        if pattern is not None:
            if not pattern_is_known(pattern):
                return Anything("its `pattern` is not known to Python")
            bounds = (*bounds, ("pattern", pattern))
        known: Any = schema.get("format")
        # A format with bounds of its text stays text: a date has no length.
        return Text(bounds, known if known in FORMATS and not bounds else None)

    def _array(self, schema: Keywords, name: str) -> Shape:
        items: Any = schema.get("items", True)
        unique = schema.get("uniqueItems") is True
        prefix: Any = schema.get("prefixItems")
        if is_array(items):  # until draft 2019-09
            prefix, items = items, schema.get("additionalItems", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if is_array(prefix) and prefix:
            shapes = tuple(self.shape(p, f"{name} item {i}") for i, p in enumerate(prefix, 1))
            return _rows(shapes, least, most, open_ended=items is not False, unique=unique)
        bounds = bounds_of(schema, {"minItems": "min_length", "maxItems": "max_length"})
        return Listing(self.shape(items, f"{name} item"), bounds, unique)

    def _object(self, schema: Keywords, name: str) -> Shape:
        properties: Any = schema.get("properties", {})
        required: Any = schema.get("required", [])
        if not is_object(properties) or not is_array(required):
            return Anything("its `properties` or `required` are ill-formed")
        others: Any = schema.get("additionalProperties", True)
        if schema.get("unevaluatedProperties") is not None and "additionalProperties" not in schema:
            others = schema["unevaluatedProperties"]
        names: list[str] = list(dict.fromkeys((*properties, *map(str, required))))
        sizes = bounds_of(schema, {"minProperties": "min_length", "maxProperties": "max_length"})
        if not names and others is not False:
            return self._mapping(schema, others, sizes, name)
        if sizes or not self._trivial_names(schema):
            return Anything("bounds on the keys of an object with known keys have no Python type")
        if others not in (True, False, {}):
            return Anything("typed keys beside known ones have no Python type")
        return Record(
            name,
            tuple(
                self._field(key, properties.get(key, True), key in required, name) for key in names
            ),
            others is not False,
            _described(schema),
        )

    def _field(self, key: str, schema: Schema, required: bool, name: str) -> Field:
        shape = self.shape(schema, f"{name} {key}")
        return Field(key, shape, required, _described(schema))

    def _mapping(
        self, schema: Keywords, others: Any, sizes: tuple[tuple[str, int], ...], name: str
    ) -> Shape:
        names = schema.get("propertyNames", True)
        key = Text() if names is True else self.shape(all_of(names, {"type": "string"}), name)
        if not isinstance(key, Text):
            return Anything("`propertyNames` has no Python type")
        return Mapping(replace(key, format=None), self.shape(others, f"{name} value"), sizes)

    def _trivial_names(self, schema: Keywords) -> bool:
        names: Any = schema.get("propertyNames", True)
        return names is True or names == {} or names == {"type": "string"}


def _only_part(schema: Keywords) -> Schema:
    """What `allOf` of one part stands for, None if there is more to it."""
    parts: Any = schema.get("allOf")
    if not is_array(parts) or len(parts) != 1:
        return None
    rest = {key: value for key, value in schema.items() if key != "allOf"}
    return None if says_something(rest) else parts[0]


def _rows(
    items: tuple[Shape, ...], least: int, most: int | None, *, open_ended: bool, unique: bool
) -> Shape:
    longest = len(items) if most is None else min(most, len(items))
    if open_ended and (most is None or most > len(items)):
        return Anything("an array whose first items differ from the rest has no Python type")
    rows = [Row(items[:length], unique) for length in range(least, longest + 1)]
    return _either(rows) if rows else Nothing()


def _either(shapes: Iterable[Shape], *, exactly: bool = False) -> Shape:
    flat: list[Shape] = []
    for shape in shapes:
        inner = shape.shapes if isinstance(shape, Either) and not shape.exactly else (shape,)
        flat += [s for s in inner if not isinstance(s, Nothing)]
    if not exactly:
        flat = list(dict.fromkeys(flat))
    unknown = next((s for s in flat if isinstance(s, Anything)), None)
    if unknown is not None:
        return Anything(unknown.why)
    if Numeric(whole=False) in flat and not exactly:
        flat = [s for s in flat if not (isinstance(s, Numeric) and s.whole)]
    if not flat:
        return Nothing()
    return flat[0] if len(flat) == 1 else Either(tuple(flat), exactly)


def _branch_name(branch: Schema, name: str, number: int) -> str:
    title: Any = branch.get("title") if is_object(branch) else None
    return f"{name} {title}" if isinstance(title, str) and title.strip() else f"{name} {number}"


def _described(schema: Schema) -> str:
    text: Any = schema.get("description") if is_object(schema) else None
    return text if isinstance(text, str) else ""
