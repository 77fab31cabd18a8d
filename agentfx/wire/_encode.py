"""Frames that an engine sends."""

from collections.abc import Callable
from typing import Any

import orjson

from agentfx.wire._json import NULL, Json
from agentfx.wire._messages import (
    ErrorBody,
    InvocationResult,
    InvokeFunction,
    Pong,
    RegisterTrigger,
    RegistrationRejected,
    ToWorker,
    TriggerRegistrationResult,
    UnregisterTrigger,
    WorkerRegistered,
)


class EncodeError(Exception):
    """A message holds something that is not JSON."""


def encode(message: ToWorker) -> bytes:
    """Write one frame.

    Raises:
        EncodeError: Data, a result, a config or metadata is not a JSON value.
    """
    try:
        return orjson.dumps(_WRITERS[type(message)](message))
    except orjson.JSONEncodeError as error:
        raise EncodeError(str(error)) from None


def _with_optional(frame: dict[str, Json], **optional: Json) -> dict[str, Json]:
    frame.update((name, value) for name, value in optional.items() if value is not None)
    return frame


# The first two are most of the traffic, hence written out.
def _invoke(message: InvokeFunction) -> dict[str, Json]:
    frame: dict[str, Json] = {
        "type": "invokefunction",
        "invocation_id": message.invocation_id,
        "function_id": message.function_id,
        "data": message.data,
    }
    if message.metadata is not None:
        frame["metadata"] = message.metadata
    if message.traceparent is not None:
        frame["traceparent"] = message.traceparent
    if message.baggage is not None:
        frame["baggage"] = message.baggage
    return frame


def _result(message: InvocationResult) -> dict[str, Json]:
    frame: dict[str, Json] = {
        "type": "invocationresult",
        "invocation_id": message.invocation_id,
        "function_id": message.function_id,
    }
    if message.error is not None:
        frame["error"] = _error(message.error)
    elif message.result is not None:
        frame["result"] = None if message.result is NULL else message.result
    if message.traceparent is not None:
        frame["traceparent"] = message.traceparent
    if message.baggage is not None:
        frame["baggage"] = message.baggage
    return frame


def _error(error: ErrorBody) -> dict[str, Json]:
    body = {"code": error.code, "message": error.message}
    return _with_optional(body, stacktrace=error.stacktrace)


def _register_trigger(message: RegisterTrigger) -> dict[str, Json]:
    return _with_optional(
        {
            "type": "registertrigger",
            "id": message.id,
            "trigger_type": message.trigger_type,
            "function_id": message.function_id,
            "config": message.config,
        },
        metadata=message.metadata,
        namespace=message.namespace,
    )


def _trigger_result(message: TriggerRegistrationResult) -> dict[str, Json]:
    return _with_optional(
        {
            "type": "triggerregistrationresult",
            "id": message.id,
            "trigger_type": message.trigger_type,
            "function_id": message.function_id,
        },
        error=None if message.error is None else _error(message.error),
    )


def _rejected(message: RegistrationRejected) -> dict[str, Json]:
    return _with_optional(
        {
            "type": "registrationrejected",
            "code": message.code,
            "namespace": message.namespace,
            "owner_worker_id": message.owner_worker_id,
        },
        worker_name=message.worker_name,
        function_id=message.function_id,
    )


def _registered(message: WorkerRegistered) -> dict[str, Json]:
    return {
        "type": "workerregistered",
        "worker_id": message.worker_id,
        "reattach_token": message.reattach_token,
    }


def _unregister_trigger(message: UnregisterTrigger) -> dict[str, Json]:
    return _with_optional(
        {"type": "unregistertrigger", "id": message.id}, trigger_type=message.trigger_type
    )


_WRITERS: dict[type[ToWorker], Callable[[Any], dict[str, Json]]] = {
    InvokeFunction: _invoke,
    InvocationResult: _result,
    RegisterTrigger: _register_trigger,
    UnregisterTrigger: _unregister_trigger,
    TriggerRegistrationResult: _trigger_result,
    WorkerRegistered: _registered,
    RegistrationRejected: _rejected,
    Pong: lambda message: {"type": "pong"},
}
