"""Functions of other workers, in any language, as effects.

A program knows them by their ids. What they take and give is known from a contract: from
generated types, or from what their worker publishes, which an interpreter looks up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agentfx.algebra._contract import LIMIT_BYTES
from agentfx.algebra._effect import A, E, Effect, R, Replayable, positive
from agentfx.algebra._exit import Err, Exit, Ok
from agentfx.algebra._failure import ContractViolation, Failure, TaskError
from agentfx.algebra._json_type import NoJsonFormError, json_type, strict_text
from agentfx.algebra._outcome import Wire
from agentfx.algebra._structure import brief, node

REMOTE_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Published:
    """What a worker publishes about a function; all of it is optional.

    Attributes:
        request: JSON Schema of the input, None if there is none.
        response: JSON Schema of the result.
        errors: JSON Schema of each declared failure's fields, by its name.
        language: Of the worker, as it says.
    """

    request: Any = None
    response: Any = None
    errors: Mapping[str, Any] = field(default_factory=dict[str, Any])
    language: str | None = None

    def schemas(self) -> list[Any]:
        """All of its schemas."""
        return [self.request, self.response, *self.errors.values()]


class RemoteContract(Protocol):
    """The way of a function's values to JSON and back; both ways are checked."""

    def encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Check arguments and encode them.

        Raises:
            ContractViolation: They are not what the function takes.
            TaskError: They have no JSON form, or are too large.
        """
        ...

    def decode_input(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments, as a stand-in is called with them."""
        ...

    def encode_output(self, value: Any) -> str:
        """Check the result of a stand-in and encode it; raises as `encode_input` does."""
        ...

    def decode_output(self, text: str) -> Any:
        """Check a result.

        Raises:
            ContractViolation: It is not what the function promises.
        """
        ...

    def decode_failure(self, name: str, text: str, *, listed: bool) -> Failure | None:
        """The failure that an error code names, None if the function does not declare it.

        Args:
            name: Of the failure.
            text: Its fields, a JSON object.
            listed: Whether the worker listed it when it failed.

        Raises:
            ContractViolation: The function declares it, but with other fields.
        """
        ...

    def encode_failure(self, error: Exception) -> tuple[str, str] | None:
        """Name and fields, as JSON text, of what a stand-in raised; None if it is not declared."""
        ...


@dataclass(frozen=True, slots=True)
class RemoteFunction:
    """A function of another worker; calling it makes an effect.

    Attributes:
        id: Such as `pymath::add`.
        contract: None where it has to be read from what the worker publishes.
        read: Reads it.
        timeout_seconds: A call is given up after this time; there is always a limit.
        replayable: Its calls are durable jobs, which may run again.
    """

    id: str
    contract: RemoteContract | None
    read: Callable[[Published], RemoteContract]
    timeout_seconds: float = REMOTE_TIMEOUT_SECONDS
    replayable: bool = False

    def __post_init__(self) -> None:
        positive(self.timeout_seconds)

    def __call__(self, *args: Any, **kwargs: Any) -> Effect[Any, Any]:
        """An effect that calls it.

        Args:
            *args: At most one: the input of a function that does not take an object.
            **kwargs: The fields of the object that it takes.

        Raises:
            TypeError: Both are given, or more than one input.
        """
        if len(args) > 1 or (args and kwargs):
            raise TypeError(f"{self.id} takes its arguments by keyword, or one input by position")
        if self.replayable:
            return RemoteJob(self, args, kwargs)
        return RemoteCall(self, args, kwargs)

    def known_by(self, published: Published) -> RemoteContract:
        """Its contract, read from what its worker publishes where the program has none."""
        return self.contract or self.read(published)


@node
class RemoteCall(Effect[A, E, R]):
    """Call a function of another worker, with a deadline; it is not called again."""

    function: RemoteFunction
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def text(self) -> str:
        """See `Structure.text`."""
        return _called(self.function, self.args, self.kwargs)


@node
class RemoteJob(Replayable[A, E, R]):
    """Run a function of another worker as a durable job, again after a crash."""

    function: RemoteFunction
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def direct(self) -> Effect[A, E, R]:
        """See `Replayable.direct`."""
        return RemoteCall(self.function, self.args, self.kwargs)

    def text(self) -> str:
        """See `Structure.text`."""
        return _called(self.function, self.args, self.kwargs)


def _called(function: RemoteFunction, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    texts = [*map(brief, args), *(f"{name}={brief(value)}" for name, value in kwargs.items())]
    return f'remote("{function.id}")({", ".join(texts)})'


def sized_text(function_id: str, what: str, dump: Callable[[], Any]) -> str:
    """JSON text of an input or output.

    Raises:
        TaskError: It has no JSON form, or is too large.
    """
    try:
        text = strict_text(dump)
    except NoJsonFormError as error:
        message = f"the {what} has no JSON form: {error}"
        raise TaskError(task=function_id, reason="unserializable", message=message) from None
    size = len(text.encode())
    if size > LIMIT_BYTES:
        message = f"the {what} is {size:,} bytes of JSON, the limit is {LIMIT_BYTES:,}"
        raise TaskError(task=function_id, reason="too_large", message=message)
    return text


def decode_remote(wire: Wire, function_id: str, contract: RemoteContract) -> Exit[Any, Any]:
    """The exit that the outcome of a foreign function holds.

    Its failures go by the convention: the error code is the name of a declared failure, the
    message its fields as JSON. An error that is not declared ends in a `TaskError`.
    """
    try:
        if "ok" in wire:
            return Ok(contract.decode_output(wire["ok"]))
        return Err(_failure(wire, function_id, contract))
    except (ContractViolation, TaskError) as error:
        return Err(error)


_ALWAYS: dict[str, type[Failure]] = {
    cls.__name__: cls for cls in (ContractViolation, TaskError)
}  # failures that need no declaration


def _failure(wire: Wire, function_id: str, contract: RemoteContract) -> Failure:
    name, text = str(wire["err"]), str(wire["value"])
    declared = contract.decode_failure(name, text, listed=bool(wire.get("declared")))
    if declared is not None:
        return declared
    always = _ALWAYS.get(name.removeprefix("agentfx:"))
    if always is not None:
        try:
            found: Failure = json_type(always).decode(text)
        except ValueError:
            text = f"an ill-formed {name}: {text}"
        else:
            return found
    return TaskError(task=function_id, reason="crashed", message=f"{name}: {text}")


def encode_remote(
    function_id: str, contract: RemoteContract, value: Any, error: Exception | None
) -> Wire:
    """The outcome of a stand-in, as the function itself would have given it.

    Raises:
        Failure: A declared one, or what a stand-in that breaks the contract ends in.
    """
    if error is None:
        return {"ok": contract.encode_output(value)}
    failure = contract.encode_failure(error)
    if failure is not None:
        return {"err": failure[0], "value": failure[1], "declared": True}
    message = f"{type(error).__name__}: {error}"
    raise TaskError(task=function_id, reason="crashed", message=message) from error
