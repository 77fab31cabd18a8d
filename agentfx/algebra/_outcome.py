"""Exits of tasks as JSON: what crosses from a worker to a driver, and lies in the store."""

from collections.abc import Iterator
from typing import Any

from agentfx.algebra._contract import Contract
from agentfx.algebra._exit import Err, Exit, Ok
from agentfx.algebra._failure import ContractViolation, Failure, TaskError
from agentfx.algebra._json_type import NoJsonFormError, json_type
from agentfx.algebra._values import class_name

Wire = dict[str, Any]
"""`{"ok": text}` or `{"err": kind, "value": text}`, with `"trace"` beside an error."""


def encode_ok(contract: Contract, value: Any) -> Wire:
    """The outcome of a task that returned.

    Raises:
        ContractViolation, TaskError: See `Contract.encode_output`.
    """
    return {"ok": contract.encode_output(value)}


def encode_err(task: str, error: Failure, trace: str | None = None) -> Wire:
    """The outcome of a task that failed.

    Args:
        task: Its id, for a failure whose own fields have no JSON form.
        error: What it failed with.
        trace: The remote traceback, shown as a note.
    """
    kind = type(error)
    try:
        text = json_type(kind).encode(error)
    except (NoJsonFormError, ValueError) as problem:
        message = f"the failure {kind.__name__} has no JSON form: {problem}"
        return encode_err(task, TaskError(task=task, reason="unserializable", message=message))
    wire: Wire = {"err": _tag(kind), "value": text}
    return wire if trace is None else {**wire, "trace": trace}


def decode_outcome(
    wire: Wire, contract: Contract, raises: tuple[type[Failure], ...]
) -> Exit[Any, Any]:
    """The exit that an outcome holds.

    A failure is looked up among those that the task declares, never by importing it.
    """
    try:
        if "ok" in wire:
            return Ok(contract.decode_output(wire["ok"]))
        error = _failure(contract.task, wire, raises)
    except ContractViolation as violation:
        return Err(violation)
    if trace := wire.get("trace"):
        error.add_note(f"in the worker:\n{trace}")
    return Err(error)


def failure_schemas(raises: tuple[type[Failure], ...]) -> dict[str, Any]:
    """JSON Schemas of declared failures, by the names under which other workers see them."""
    return {cls.__name__: json_type(cls).schema for cls in raises}


def _failure(task: str, wire: Wire, raises: tuple[type[Failure], ...]) -> Failure:
    for cls in _declared((ContractViolation, TaskError, *raises)):
        # By its bare name it comes from a direct call, which goes by the convention of all workers.
        if wire["err"] in (_tag(cls), cls.__name__):
            found: Failure = json_type(cls).decode(wire["value"])
            return found
    message = f"it failed with {wire['err']}, which the driver's version does not declare"
    return TaskError(task=task, reason="unserializable", message=message)


def _tag(cls: type[Failure]) -> str:
    own = cls in (ContractViolation, TaskError)
    return f"agentfx:{cls.__name__}" if own else class_name(cls)


def _declared(raises: tuple[type[Failure], ...]) -> Iterator[type[Failure]]:
    pending = list(raises)
    while pending:
        cls = pending.pop(0)
        yield cls
        pending.extend(cls.__subclasses__())
