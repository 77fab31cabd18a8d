"""Values of any known type as tagged JSON, for journals.

A class is written by its name and looked up among the classes that are already loaded; it is
never imported, and nothing is unpickled.
"""

import dataclasses
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from agentfx.algebra._json_type import NoJsonFormError, json_type, strict_text, validation_error

TAG, VALUE = "$", "v"

_SCALARS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda v: b64encode(v).decode(), b64decode),
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: (
        "timedelta",
        lambda v: [v.days, v.seconds, v.microseconds],
        lambda v: timedelta(*v),
    ),
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    Path: ("path", str, Path),
    type(Path()): ("path", str, Path),
}
_SCALAR_TAGS = {tag: decode for tag, _, decode in _SCALARS.values()}
_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_SEQUENCE_TAGS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


def encode_value(value: Any, returns: Any = None) -> str:
    """JSON text of a value.

    Args:
        value: Anything made of JSON values, common scalars, dataclasses, enums, pydantic models.
        returns: A type annotation to encode by; None tags each class by its name.

    Raises:
        NoJsonFormError: The value would not come back as it is.
    """
    if returns is not None:
        return _typed(value, returns)
    text = strict_text(lambda: _tagged(value))
    if decode_value(text) != value:
        raise NoJsonFormError(f"{type(value).__name__} does not come back equal from JSON")
    return text


def decode_value(text: str, returns: Any = None) -> Any:
    """The value that `encode_value` wrote.

    Raises:
        NoJsonFormError: It names a class that is not loaded, or does not fit the type.
    """
    if returns is not None:
        return _decode_typed(text, returns)
    from pydantic_core import from_json

    return _untagged(from_json(text))


def class_name(cls: type) -> str:
    """The name under which a journal knows a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def loaded_class(name: str) -> type:
    """The class of this name, if its module is loaded.

    Raises:
        NoJsonFormError: There is none.
    """
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise NoJsonFormError(f"no class {name} is loaded: import it before the run goes on")
    return found


def _typed(value: Any, returns: Any) -> str:
    try:
        return json_type(returns).encode(value)
    except validation_error() as error:
        raise NoJsonFormError(f"the value is not what returns= promises: {error}") from None


def _decode_typed(text: str, returns: Any) -> Any:
    try:
        return json_type(returns).decode(text)
    except validation_error() as error:
        raise NoJsonFormError(
            f"the recorded value is not what returns= promises: {error}"
        ) from None


def _class_of(value: Any) -> Any:
    return type(cast("object", value))


def _tagged(value: Any) -> Any:
    cls = _class_of(value)
    if value is None or cls in (bool, int, float, str):
        return value
    if cls is list:
        return [_tagged(item) for item in value]
    if cls is dict:
        return _tagged_dict(value)
    if cls in _SCALARS:
        tag, encode, _ = _SCALARS[cls]
        return {TAG: tag, VALUE: encode(value)}
    if cls in _SEQUENCES:
        return {TAG: _SEQUENCES[cls], VALUE: [_tagged(item) for item in value]}
    return _tagged_object(cls, value)


def _tagged_dict(value: dict[Any, Any]) -> Any:
    if TAG not in value and all(type(key) is str for key in value):
        return {key: _tagged(item) for key, item in value.items()}
    return {TAG: "dict", VALUE: [[_tagged(k), _tagged(v)] for k, v in value.items()]}


def _tagged_object(cls: Any, value: Any) -> Any:
    if isinstance(value, Enum):
        return {TAG: "enum", "c": class_name(cls), VALUE: value.name}
    if hasattr(cls, "__dataclass_fields__"):
        fields = {
            f.name: _tagged(getattr(value, f.name)) for f in dataclasses.fields(cls) if f.init
        }
        return {TAG: "data", "c": class_name(cls), VALUE: fields}
    if _is_model(cls):
        fields = value.model_dump(mode="json", by_alias=True, round_trip=True, warnings=False)
        return {TAG: "model", "c": class_name(cls), VALUE: fields}
    raise TypeError(f"a {cls.__module__}.{cls.__qualname__} has no JSON form")


def _is_model(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic")  # nobody has a model without having loaded it
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def _untagged(value: Any) -> Any:
    cls = _class_of(value)
    if cls is list:
        return [_untagged(item) for item in value]
    if cls is not dict:
        return value
    if TAG not in value:
        return {key: _untagged(item) for key, item in value.items()}
    tag, inner = value[TAG], value[VALUE]
    if tag in _SCALAR_TAGS:
        return _SCALAR_TAGS[tag](inner)
    if tag in _SEQUENCE_TAGS:
        return _SEQUENCE_TAGS[tag](_untagged(inner))
    if tag == "dict":
        return {_untagged(k): _untagged(v) for k, v in inner}
    return _untagged_object(tag, loaded_class(value["c"]), inner)


def _untagged_object(tag: str, cls: Any, inner: Any) -> Any:
    # What the text names decides only among kinds that are built from plain values.
    if tag == "enum" and issubclass(cls, Enum):
        return cls[inner]
    if tag == "data" and hasattr(cls, "__dataclass_fields__"):
        return cls(**_untagged(inner))
    if tag == "model" and _is_model(cls):
        return cls.model_validate(inner)
    raise NoJsonFormError(f"a journal cannot rebuild a {class_name(cls)}")
