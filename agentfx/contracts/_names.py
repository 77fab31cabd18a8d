"""Python names for what other languages call otherwise."""

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from agentfx.algebra import Failure
from agentfx.wire import is_array, is_object

IMPORTABLE = {
    "typing": ("Annotated", "Any", "Literal", "Protocol", "TypeAlias", "overload"),
    "typing_extensions": ("TypeAliasType",),
    "pydantic": ("Field",),
    "agentfx": ("ContractViolation", "Effect", "Failure", "Replayable", "TaskError"),
    "agentfx.contracts": (
        "Boolean", "Date", "DateTime", "ExactlyOne", "Given", "Integer", "Model", "Nothing",
        "Number", "Time", "TypedContract", "Unique", "Uuid", "multiple_of", "one_of_values",
        "typed_remote",
    ),
}  # fmt: skip
"""Names that generated code may import, by module."""
IMPORTED = frozenset(name for names in IMPORTABLE.values() for name in names)
RESERVED = frozenset(dir(builtins)) | set(keyword.kwlist)
"""Names that no class of a generated module may take."""

_WORD = re.compile(r"[A-Za-z0-9]+")
# A field hides what its class's annotations would find under its name.
_IN_ANNOTATIONS = IMPORTED | {"str", "float", "list", "tuple", "dict", "self"}
_TAKEN_BY_MODELS = _IN_ANNOTATIONS | set(dir(BaseModel))
_TAKEN_BY_FAILURES = _IN_ANNOTATIONS | set(dir(Failure)) | {"args"}


class Names:
    """Gives out names, each once.

    Args:
        taken: Names that are used already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, wanted: str) -> str:
        """The wanted name, or one like it that is free."""
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}{number}", number + 1
        self._taken.add(name)
        return name


def class_words(text: str) -> str:
    """A class name made of the words of a text, such as `PymathAdd` of `pymath::add`."""
    words = [word[0].upper() + word[1:] for word in _WORD.findall(text)]
    name = "".join(words) or "Unnamed"
    return f"N{name}" if name[0].isdigit() else name


def field_name(key: str, *, of_failure: bool = False) -> str:
    """The name of a field for a key: the key itself wherever it can be."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", key) or "_"
    if name[0] == "_" or name[0].isdigit():
        name = f"field_{name.lstrip('_')}".rstrip("_") if name.strip("_") else "field"
    taken = _TAKEN_BY_FAILURES if of_failure else _TAKEN_BY_MODELS
    return f"{name}_" if keyword.iskeyword(name) or name in taken else name


def keys_in(schema: Any) -> Iterator[str]:
    """All keys that a schema could give names to; some more do no harm."""
    pending = [schema]
    while pending:
        part: Any = pending.pop()
        if is_object(part):
            yield from part
            yield from filter(lambda name: isinstance(name, str), _required(part))
            pending += part.values()
        elif is_array(part):
            pending += part


def _required(schema: dict[str, Any]) -> list[Any]:
    required: Any = schema.get("required")
    return required if is_array(required) else []


def fields(keys: Iterable[str], *, of_failure: bool = False) -> dict[str, str]:
    """Names of fields by key, all different; the same for the same keys."""
    keys = list(keys)
    # Keys that are names already keep them, whatever their order.
    kept = [key for key in keys if field_name(key, of_failure=of_failure) == key]
    names = Names(kept)
    return {
        key: key if key in kept else names.take(field_name(key, of_failure=of_failure))
        for key in keys
    }
