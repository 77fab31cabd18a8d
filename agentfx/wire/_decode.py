"""Frames that an engine receives, read strictly."""

import re
import uuid
from collections.abc import Callable

import orjson

from agentfx.wire._json import Json, is_object
from agentfx.wire._messages import (
    CallAction,
    Enqueue,
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    Ping,
    Pong,
    Reattach,
    RegisterFunction,
    RegisterService,
    RegisterTrigger,
    RegisterTriggerType,
    ToEngine,
    TriggerRegistrationResult,
    UnregisterFunction,
    UnregisterTrigger,
    UnregisterTriggerType,
    Void,
)

MAX_DEPTH = 128
"""How many arrays and objects may be inside one another; more makes a frame undecodable."""

_ENCODER_DEPTH = 254  # what orjson writes; it reads deeper than that
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class DecodeError(Exception):
    """A frame is not a message of the protocol."""


def decode(frame: bytes) -> ToEngine:
    """Read one frame.

    Raises:
        DecodeError: It is not strict JSON, has an unknown `type`, lacks a required field,
            or has a field of another type.
    """
    try:
        fields: Json = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise DecodeError(str(error)) from None
    if not is_object(fields):
        raise DecodeError("not an object")
    if frame.count(b"[") + frame.count(b"{") > MAX_DEPTH:
        _refuse_deep(fields)
    kind = _text(fields, "type")
    read = _READERS.get(kind)
    if read is None:
        raise DecodeError(f"unknown type `{kind[:80]}`")
    return read(fields)


def _refuse_deep(value: Json) -> None:
    # The encoder stops at a fixed depth, in C: so much padding leaves MAX_DEPTH for the value.
    for _ in range(_ENCODER_DEPTH - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise DecodeError("nested too deeply") from None


def _text(fields: dict[str, Json], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise DecodeError(f"`{name}` is missing or not a string")
    return value


def _text_or_none(fields: dict[str, Json], name: str) -> str | None:
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    raise DecodeError(f"`{name}` is not a string")


def _present(fields: dict[str, Json], name: str) -> Json:
    try:
        return fields[name]
    except KeyError:
        raise DecodeError(f"`{name}` is missing") from None


def _uuid(text: str) -> str:
    if _UUID(text):
        return text
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise DecodeError("`invocation_id` is not a UUID") from None


def _action(fields: dict[str, Json]) -> CallAction | None:
    action = fields.get("action")
    if action is None:
        return None
    if is_object(action):
        kind = action.get("type")
        if kind == "void":
            return Void()
        if kind == "enqueue":
            return Enqueue(_text(action, "queue"))
    raise DecodeError("`action` is not one")


def _error(fields: dict[str, Json]) -> ErrorBody | None:
    error = fields.get("error")
    if error is None:
        return None
    if not is_object(error):
        raise DecodeError("`error` is not an object")
    return ErrorBody(
        _text(error, "code"), _text(error, "message"), _text_or_none(error, "stacktrace")
    )


def _invoke(fields: dict[str, Json]) -> InvokeFunction:
    invocation_id = _text_or_none(fields, "invocation_id")
    return InvokeFunction(
        _text(fields, "function_id"),
        _present(fields, "data"),
        None if invocation_id is None else _uuid(invocation_id),
        _action(fields),
        fields.get("metadata"),
        _text_or_none(fields, "namespace"),
        _text_or_none(fields, "traceparent"),
        _text_or_none(fields, "baggage"),
    )


def _result(fields: dict[str, Json]) -> InvocationResult:
    return InvocationResult(
        _uuid(_text(fields, "invocation_id")),
        _text(fields, "function_id"),
        fields.get("result"),
        _error(fields),
        _text_or_none(fields, "traceparent"),
        _text_or_none(fields, "baggage"),
    )


def _register_function(fields: dict[str, Json]) -> RegisterFunction:
    target = fields.get("invocation")
    if is_object(target):
        _text(target, "url")
    elif target is not None:
        raise DecodeError("`invocation` is not an object")
    return RegisterFunction(
        _text(fields, "id"),
        _text_or_none(fields, "description"),
        fields.get("request_format"),
        fields.get("response_format"),
        fields.get("metadata"),
    )


def _register_trigger_type(fields: dict[str, Json]) -> RegisterTriggerType:
    return RegisterTriggerType(
        _text(fields, "id"),
        _text(fields, "description"),
        fields.get("trigger_request_format"),
        fields.get("call_request_format"),
        _text_or_none(fields, "namespace"),
    )


def _register_trigger(fields: dict[str, Json]) -> RegisterTrigger:
    return RegisterTrigger(
        _text(fields, "id"),
        _text(fields, "trigger_type"),
        _text(fields, "function_id"),
        _present(fields, "config"),
        fields.get("metadata"),
        _text_or_none(fields, "namespace"),
        _text_or_none(fields, "trigger_namespace"),
    )


def _trigger_result(fields: dict[str, Json]) -> TriggerRegistrationResult:
    return TriggerRegistrationResult(
        _text(fields, "id"),
        _text(fields, "trigger_type"),
        _text(fields, "function_id"),
        _error(fields),
    )


_READERS: dict[str, Callable[[dict[str, Json]], ToEngine]] = {
    "invokefunction": _invoke,
    "invocationresult": _result,
    "registerfunction": _register_function,
    "unregisterfunction": lambda fields: UnregisterFunction(_text(fields, "id")),
    "registertriggertype": _register_trigger_type,
    "unregistertriggertype": lambda fields: UnregisterTriggerType(
        _text(fields, "id"), _text_or_none(fields, "namespace")
    ),
    "registertrigger": _register_trigger,
    "unregistertrigger": lambda fields: UnregisterTrigger(
        _text(fields, "id"), _text_or_none(fields, "trigger_type")
    ),
    "triggerregistrationresult": _trigger_result,
    "reattach": lambda fields: Reattach(
        _text(fields, "previous_worker_id"), _text_or_none(fields, "reattach_token")
    ),
    "registerservice": lambda fields: RegisterService(),
    "ping": lambda fields: Ping(),
    "pong": lambda fields: Pong(),
}
