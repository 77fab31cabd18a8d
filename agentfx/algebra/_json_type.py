"""Values of one type, to JSON text and back."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

# Strict where pydantic is not: it writes NaN as null, which would change the value silently.
to_text: Callable[[Any], str] = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode


class NoJsonFormError(ValueError):
    """A value has no JSON form: NaN, a lone surrogate, a cycle, a type that nothing encodes."""


class JsonType:
    """A type annotation that pydantic understands, as a codec.

    Args:
        annotation: Any type, also `Annotated` with constraints.
    """

    def __init__(self, annotation: Any) -> None:
        self.annotation = annotation

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        return self._adapter.json_schema(mode="serialization")

    def encode(self, value: Any) -> str:
        """Validate a value and encode it.

        Raises:
            pydantic.ValidationError: It is not of this type.
            NoJsonFormError: It has no JSON form.
        """
        checked = self._adapter.validate_python(value)
        return strict_text(
            lambda: self._adapter.dump_python(
                checked, mode="json", by_alias=True, round_trip=True, warnings=False
            )
        )

    def decode(self, text: str) -> Any:
        """Rebuild a value.

        Raises:
            pydantic.ValidationError: The text does not hold a value of this type.
        """
        return self._adapter.validate_json(text)

    @cached_property
    def _adapter(self) -> "TypeAdapter[Any]":
        from pydantic import ConfigDict, PydanticUserError, TypeAdapter

        config = ConfigDict(
            ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
        )
        try:
            return TypeAdapter(self.annotation, config=config)
        except PydanticUserError:  # a model or dataclass brings a configuration of its own
            return TypeAdapter(self.annotation)


_known: dict[Any, JsonType] = {}


def json_type(annotation: Any) -> JsonType:
    """The codec of a type; building one takes milliseconds, so it is kept."""
    try:
        return _known.get(annotation) or _known.setdefault(annotation, JsonType(annotation))
    except TypeError:  # `Annotated` with metadata that cannot be hashed
        return JsonType(annotation)


def validation_error() -> "type[ValidationError]":
    """Pydantic's error, for an `except` clause: looked up only where something was raised."""
    from pydantic import ValidationError

    return ValidationError


def strict_text(dump: Callable[[], Any]) -> str:
    """JSON text of what `dump` returns.

    Raises:
        NoJsonFormError: It has no JSON form that gives the same value back.
    """
    try:
        value = dump()
        if type(value) is int:  # the commonest result, and an encoder costs 5 us to set up
            return str(value)
        text = to_text(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:  # pydantic's is a ValueError
        raise NoJsonFormError(str(error).splitlines()[0]) from None
    return text
