"""The contract of a task: JSON for its input and output, from its annotations.

Both interpreters take every value through the same text, so that a program cannot pass in
memory and fail on the wire.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_type_hints

from agentfx.algebra._failure import ContractViolation, ErrorDetail, TaskError
from agentfx.algebra._json_type import JsonType, NoJsonFormError, strict_text, validation_error

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

LIMIT_BYTES = 4 * 1024 * 1024
"""The largest encoded input or output."""

# Argument names are prefixed in the model, where `schema` or `copy` would hide a method.
_PREFIX = "arg_"


class Contract:
    """JSON Schemas of a task, and the way of its values to JSON and back.

    Args:
        task: Id of the task, for failures.
        function: What the task runs.
        takes_context: Its first parameter is the `TaskContext`, which is not part of the input.

    Raises:
        TypeError: It has parameters without names.
    """

    def __init__(self, task: str, function: Callable[..., Any], *, takes_context: bool) -> None:
        self.task = task
        self._function = function
        parameters = list(inspect.signature(function).parameters.values())[takes_context:]
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY):
                raise TypeError(
                    f"task {task}: parameter {p} has no name of its own on the wire; "
                    "give each parameter a name"
                )
        self._defaults = {p.name: p.default for p in parameters}
        self._positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(self._defaults)

    @property
    def required(self) -> tuple[str, ...]:
        """The names of those without a default."""
        return tuple(
            n for n, default in self._defaults.items() if default is inspect.Parameter.empty
        )

    @cached_property
    def request_schema(self) -> dict[str, Any]:
        """JSON Schema of the input: an object keyed by parameter."""
        return self._input.model_json_schema()

    @cached_property
    def response_schema(self) -> dict[str, Any]:
        """JSON Schema of the output."""
        return self._output.schema

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Validate arguments and encode them as a JSON object.

        Raises:
            ContractViolation: They are not what the annotations promise.
            TaskError: They cannot be encoded, or are too large.
        """
        values = self._bind(args, kwargs)
        try:
            model = self._input.model_validate(values)
        except validation_error() as error:
            raise self._violation("input", error) from None
        return self._fit(
            "input",
            lambda: strict_text(
                lambda: model.model_dump(
                    mode="json", by_alias=True, round_trip=True, warnings=False
                )
            ),
        )

    def decode_input(self, text: str) -> dict[str, Any]:
        """Rebuild arguments, keyed by parameter.

        Raises:
            ContractViolation: They are not what the annotations promise.
        """
        try:
            model = self._input.model_validate_json(text)
        except validation_error() as error:
            raise self._violation("input", error) from None
        return {name: getattr(model, _PREFIX + name) for name in self._defaults}

    def encode_output(self, value: Any) -> str:
        """Validate a result and encode it.

        Raises:
            ContractViolation: It is not what the annotation promises.
            TaskError: It cannot be encoded, or is too large.
        """
        try:
            return self._fit("output", lambda: self._output.encode(value))
        except validation_error() as error:
            raise self._violation("output", error) from None

    def decode_output(self, text: str) -> Any:
        """Rebuild a result.

        Raises:
            ContractViolation: It is not what the annotation promises.
        """
        try:
            return self._output.decode(text)
        except validation_error() as error:
            raise self._violation("output", error) from None

    @cached_property
    def _input(self) -> "type[BaseModel]":
        from pydantic import ConfigDict, Field, create_model

        hints = self._hints
        fields: dict[str, Any] = {
            _PREFIX + name: (
                hints.get(name, Any),
                Field(... if default is inspect.Parameter.empty else default, alias=name),
            )
            for name, default in self._defaults.items()
        }
        config = ConfigDict(
            extra="forbid",
            title=self.task,
            ser_json_bytes="base64",
            val_json_bytes="base64",
            ser_json_inf_nan="constants",
        )
        return create_model("Input", __config__=config, **fields)

    @property
    def returned(self) -> Any:
        """The annotation of the result."""
        return self._hints.get("return", Any)

    @cached_property
    def _output(self) -> JsonType:
        return JsonType(self.returned)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self._function, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"task {self.task}: an annotation names {error.name!r}, which its module does not "
                "have: define it at module level"
            ) from None

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(kwargs)
        for position, value in enumerate(args):
            if position >= len(self._positional):
                self._misplaced("unexpected_positional_argument", position)
            name = self._positional[position]
            if name in values:
                self._misplaced("multiple_argument_values", name)
            values[name] = value
        return values

    def _misplaced(self, kind: str, where: str | int) -> NoReturn:
        message = kind.replace("_", " ").capitalize()
        raise ContractViolation(task=self.task, where="input", errors=((kind, (where,), message),))

    def _violation(
        self, where: Literal["input", "output"], error: "ValidationError"
    ) -> ContractViolation:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        errors: tuple[ErrorDetail, ...] = tuple((d["type"], d["loc"], d["msg"]) for d in details)
        return ContractViolation(task=self.task, where=where, errors=errors)

    def _fit(self, what: str, encode: Callable[[], str]) -> str:
        try:
            text = encode()
        except NoJsonFormError as error:
            message = f"the {what} has no JSON form: {error}"
            raise TaskError(task=self.task, reason="unserializable", message=message) from None
        size = len(text.encode())
        if size > LIMIT_BYTES:
            message = (
                f"the {what} is {size:,} bytes of JSON, the limit is {LIMIT_BYTES:,}: "
                "pass a reference to stored data instead"
            )
            raise TaskError(task=self.task, reason="too_large", message=message)
        return text
