"""Shapes as Python source; whatever comes from outside passes through a literal."""

import ast
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agentfx.contracts._names import (
    IMPORTED,
    RESERVED,
    Names,
    class_words,
    field_name,
    fields,
    keys_in,
)
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
    Shape,
    Shapes,
    Text,
)

WIDTH = 92
FIXED = ("CONTRACTS", "PUBLISHED", "remote")
_FORMATS = {None: "str", "date-time": "DateTime", "date": "Date", "time": "Time", "uuid": "Uuid"}


def module_names(schemas: Iterable[Any]) -> Names:
    """Names of a generated module, with all taken that it needs itself.

    Args:
        schemas: Of the module. No class has the name of a field, which would hide it.
    """
    keys = {field_name(key) for schema in schemas for key in keys_in(schema)}
    return Names(RESERVED | IMPORTED | keys | set(FIXED))


def literal(value: str) -> str:
    """A string literal, on one line, that reads as exactly this text."""
    return repr(value)


def one_line(text: str) -> str:
    """A text that can stand in a comment."""
    return "".join(c if c.isprintable() else " " for c in text)[:WIDTH]


def docstring(text: str, indent: str) -> str:
    """A docstring; empty if there is no text."""
    kept = "".join(c if c.isprintable() or c == "\n" else " " for c in text).strip()
    if not kept:
        return ""
    lines = [part for line in kept.splitlines() for part in _wrapped(line, WIDTH - len(indent))]
    body = "\n".join(lines).replace("\\", "\\\\").replace('"', '\\"')
    # An escaped quote is only needed where three would end the text.
    plain = body.replace('\\"', '"')
    if '"""' not in plain and not plain.endswith('"'):
        body = plain
    source = f'"""{body}"""' if len(lines) == 1 else f'"""{body}\n"""'
    if ast.literal_eval(source).strip() != "\n".join(lines):
        raise ValueError("a description cannot be written as a docstring")
    return textwrap.indent(source, indent, lambda line: line.strip() != "") + "\n"


def _wrapped(line: str, width: int) -> list[str]:
    lead = line[: len(line) - len(line.lstrip())][: width // 2]
    return textwrap.wrap(line.strip(), width, initial_indent=lead, subsequent_indent=lead) or [""]


@dataclass
class Writer:
    """Writes the classes of shapes, and the expressions that name their types.

    Args:
        names: Of the module.
    """

    names: Names
    classes: list[str] = field(default_factory=list[str])

    def types(self, shapes: Shapes) -> "Types":
        """The types of one schema; its classes are written when they are first named."""
        return Types(self, shapes)


class Types:
    """The types of one schema.

    Args:
        writer: Of the module.
        shapes: The schema.

    Attributes:
        shapes: The schema.
    """

    def __init__(self, writer: Writer, shapes: Shapes) -> None:
        self._writer, self.shapes = writer, shapes
        self._records: dict[Record, str] = {}
        self._aliases: dict[str, str] = {}
        self._whys: list[str] = []

    def root(self) -> str:
        """The expression of the whole."""
        return self.expression(self.shapes.root)

    def whys(self) -> list[str]:
        """Why something became `Any`, since the last time this was asked."""
        found, self._whys = list(dict.fromkeys(self._whys)), []
        return [one_line(f"Any: {why}") for why in found]

    def resolved(self, shape: Shape) -> Shape:
        """The shape that a name stands for."""
        while isinstance(shape, Named):
            shape = self.shapes.named[shape.name]
        return shape

    def expression(self, shape: Shape) -> str:
        """The type of a shape, as an expression."""
        write: Callable[[Types, Any], str] = _WRITE[type(shape)]
        return write(self, shape)

    def anything(self, shape: Anything) -> str:
        """See `expression`."""
        if shape.why is not None:
            self._whys.append(shape.why)
        return "Any"

    def numeric(self, shape: Numeric) -> str:
        """See `expression`."""
        base = "Integer" if shape.whole else "Number"
        marks = [f"multiple_of({value!r})" for name, value in shape.bounds if name == "multiple_of"]
        bounds = [(name, value) for name, value in shape.bounds if name != "multiple_of"]
        return _annotated(base, *_field_call(bounds), *marks)

    def text(self, shape: Text) -> str:
        """See `expression`."""
        return _annotated(_FORMATS[shape.format], *_field_call(shape.bounds))

    def values(self, shape: OneOfValues) -> str:
        """See `expression`."""
        values = [json.loads(text) for text in shape.values]
        check = f"one_of_values({', '.join(map(literal, shape.values))})"
        if all(isinstance(value, str) for value in values):
            return f"Literal[{', '.join(map(literal, values))}]"
        if all(value is None or isinstance(value, (str, int)) for value in values):
            return f"Annotated[Literal[{', '.join(map(repr, values))}], {check}]"
        if all(isinstance(value, (int, float)) for value in values):
            return f"Annotated[float, {check}]"
        self._whys.append("one of some values that a Literal cannot hold; it is checked")
        return f"Annotated[Any, {check}]"

    def listing(self, shape: Listing) -> str:
        """See `expression`."""
        unique = ["Unique"] if shape.unique else []
        base = f"list[{self.expression(shape.item)}]"
        return _annotated(base, *_field_call(shape.bounds), *unique)

    def row(self, shape: Row) -> str:
        """See `expression`."""
        items = ", ".join(map(self.expression, shape.items)) or "()"
        return _annotated(f"tuple[{items}]", *(["Unique"] if shape.unique else []))

    def mapping(self, shape: Mapping) -> str:
        """See `expression`."""
        base = f"dict[{self.expression(shape.key)}, {self.expression(shape.value)}]"
        return _annotated(base, *_field_call(shape.bounds))

    def either(self, shape: Either) -> str:
        """See `expression`."""
        members = [self.expression(member) for member in shape.shapes]
        union = " | ".join(dict.fromkeys(members))
        if not shape.exactly:
            return union
        return f"Annotated[{union}, ExactlyOne({', '.join(members)})]"

    def named(self, shape: Named) -> str:
        """See `expression`."""
        target = self.shapes.named[shape.name]
        if not isinstance(target, (Listing, Row, Mapping, Either)):  # it cannot hold itself
            return self.expression(target)
        if shape.name not in self._aliases:
            name = self._writer.names.take(class_words(shape.name))
            self._aliases[shape.name] = name
            expression = self.expression(target)
            comments = "".join(f"# {why}\n" for why in self.whys())
            self._writer.classes.append(
                f"{comments}{name} = TypeAliasType({literal(name)}, {literal(expression)})\n"
            )
        return self._aliases[shape.name]

    def record(self, shape: Record) -> str:
        """See `expression`."""
        if shape not in self._records:
            name = self._writer.names.take(class_words(shape.name))
            self._records[shape] = name
            options = "" if shape.open else ', extra="forbid"'
            head = f"class {name}(Model{options}):\n"
            self._writer.classes.append(head + self.body(shape) + "\n")
        return self._records[shape]

    def body(self, shape: Record, *, of_failure: bool = False) -> str:
        """Docstring and fields of a class."""
        outer, self._whys = self._whys, []
        doc = docstring(shape.description, "    ")
        lines = list(self._fields(shape, of_failure=of_failure))
        self._whys = outer
        apart = "\n" if any(one.description for one in shape.fields) else ""
        return "\n".join(filter(None, [doc, apart.join(lines)])) or "    pass\n"

    def _fields(self, shape: Record, *, of_failure: bool) -> Iterator[str]:
        names = fields((one.name for one in shape.fields), of_failure=of_failure)
        for one in shape.fields:
            name = names[one.name]
            aliased = _field_call(
                [("validation_alias", one.name), ("serialization_alias", one.name)]
                if name != one.name
                else []
            )
            expression, default = self.expression(one.shape), ""
            if not one.required:
                expression, default = self.optional(one, expression), " = None"
            comments = "".join(f"    # {why}\n" for why in self.whys())
            yield (
                f"{comments}    {name}: {_annotated(expression, *aliased)}{default}\n"
                f"{docstring(one.description, '    ')}"
            )

    def optional(self, one: Field, expression: str) -> str:
        """The type of a field that may be left out, but be null only if its shape says so."""
        if isinstance(one.shape, Anything) or self.may_be_null(one.shape):
            has_null = expression in ("Any", "None") or expression.endswith("| None")
            return expression if has_null else f"{expression} | None"
        return _annotated(f"{expression} | None", "Given")

    def may_be_null(self, shape: Shape) -> bool:
        """Whether null has this shape."""
        match self.resolved(shape):
            case Null() | Anything():
                return True
            case Either(shapes):
                return any(isinstance(s, Null) or s == OneOfValues(("null",)) for s in shapes)
            case OneOfValues(values):
                return "null" in values
            case _:
                return False


def _annotated(base: str, *marks: str) -> str:
    if not marks:
        return base
    return f"Annotated[{base}, {', '.join(marks)}]"


def _field_call(options: Any) -> list[str]:
    named = [f"{name}={value!r}" for name, value in options]
    return [f"Field({', '.join(named)})"] if named else []


_WRITE: dict[type, Callable[[Types, Any], str]] = {
    Anything: Types.anything,
    Nothing: lambda types, shape: "Nothing",
    Null: lambda types, shape: "None",
    Boolean: lambda types, shape: "Boolean",
    Numeric: Types.numeric,
    Text: Types.text,
    OneOfValues: Types.values,
    Listing: Types.listing,
    Row: Types.row,
    Mapping: Types.mapping,
    Either: Types.either,
    Named: Types.named,
    Record: Types.record,
}
