import json
from typing import Any

import pytest

from agentfx.wire import (
    MAX_DEPTH,
    NULL,
    EncodeError,
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
    encode,
)

FRAMES: list[tuple[ToWorker, dict[str, Any]]] = [
    (
        InvokeFunction("f", {"a": 1}, "i"),
        {"type": "invokefunction", "invocation_id": "i", "function_id": "f", "data": {"a": 1}},
    ),
    (
        InvokeFunction("f", None, "i", None, {"m": 1}, "unseen", "t", "b"),
        {
            "type": "invokefunction",
            "invocation_id": "i",
            "function_id": "f",
            "data": None,
            "metadata": {"m": 1},
            "traceparent": "t",
            "baggage": "b",
        },
    ),
    (
        InvocationResult("i", "f", [1], None, "t", "b"),
        {
            "type": "invocationresult",
            "invocation_id": "i",
            "function_id": "f",
            "result": [1],
            "traceparent": "t",
            "baggage": "b",
        },
    ),
    (
        InvocationResult("i", "f"),
        {"type": "invocationresult", "invocation_id": "i", "function_id": "f"},
    ),
    (
        InvocationResult("i", "f", NULL),
        {"type": "invocationresult", "invocation_id": "i", "function_id": "f", "result": None},
    ),
    (
        InvocationResult("i", "f", 1, ErrorBody("c", "m", "s")),
        {
            "type": "invocationresult",
            "invocation_id": "i",
            "function_id": "f",
            "error": {"code": "c", "message": "m", "stacktrace": "s"},
        },
    ),
    (
        RegisterTrigger("i", "t", "f", None, 5, "n", "unseen"),
        {
            "type": "registertrigger",
            "id": "i",
            "trigger_type": "t",
            "function_id": "f",
            "config": None,
            "metadata": 5,
            "namespace": "n",
        },
    ),
    (
        UnregisterTrigger("i", "t"),
        {"type": "unregistertrigger", "id": "i", "trigger_type": "t"},
    ),
    (
        TriggerRegistrationResult("i", "t", "f", ErrorBody("c", "m")),
        {
            "type": "triggerregistrationresult",
            "id": "i",
            "trigger_type": "t",
            "function_id": "f",
            "error": {"code": "c", "message": "m"},
        },
    ),
    (
        WorkerRegistered("w", "t"),
        {"type": "workerregistered", "worker_id": "w", "reattach_token": "t"},
    ),
    (
        RegistrationRejected(RegistrationRejected.FUNCTION_CONFLICT, "n", "o", function_id="f"),
        {
            "type": "registrationrejected",
            "code": "FUNCTION_NAMESPACE_CONFLICT",
            "namespace": "n",
            "owner_worker_id": "o",
            "function_id": "f",
        },
    ),
    (
        RegistrationRejected(RegistrationRejected.WORKER_CONFLICT, "n", "o", "w"),
        {
            "type": "registrationrejected",
            "code": "WORKER_NAMESPACE_CONFLICT",
            "namespace": "n",
            "owner_worker_id": "o",
            "worker_name": "w",
        },
    ),
    (Pong(), {"type": "pong"}),
]


@pytest.mark.parametrize(("message", "frame"), FRAMES)
def test_writes_what_there_is_and_leaves_out_the_rest(
    message: ToWorker, frame: dict[str, Any]
) -> None:
    assert json.loads(encode(message)) == frame


def test_what_could_be_received_can_be_sent() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    encode(InvocationResult("i", "f", {"old_value": value, "new_value": value}))


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a": {3}}, b"x", "\ud800"])
def test_what_is_no_json_is_an_error(value: Any) -> None:
    with pytest.raises(EncodeError):
        encode(InvocationResult("i", "f", value))
