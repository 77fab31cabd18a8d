import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentfx.wire import (
    MAX_DEPTH,
    DecodeError,
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
    decode,
)

ID = "0d6a2f7e-3b1c-4a55-9f7e-1f2a3b4c5d6e"

# A frame with every field of its type, and what it means.
FULL: list[tuple[dict[str, Any], ToEngine]] = [
    (
        {
            "type": "invokefunction",
            "function_id": "f",
            "data": {"a": 1},
            "invocation_id": ID,
            "action": {"type": "enqueue", "queue": "jobs"},
            "metadata": {"m": 1},
            "namespace": "n",
            "traceparent": "t",
            "baggage": "b",
        },
        InvokeFunction("f", {"a": 1}, ID, Enqueue("jobs"), {"m": 1}, "n", "t", "b"),
    ),
    (
        {
            "type": "invocationresult",
            "invocation_id": ID,
            "function_id": "f",
            "result": [1],
            "error": {"code": "c", "message": "m", "stacktrace": "s"},
            "traceparent": "t",
            "baggage": "b",
        },
        InvocationResult(ID, "f", [1], ErrorBody("c", "m", "s"), "t", "b"),
    ),
    (
        {
            "type": "registerfunction",
            "id": "f",
            "description": "d",
            "request_format": {"type": "object"},
            "response_format": {"type": "null"},
            "metadata": {"m": 1},
            "invocation": {"url": "http://example.invalid"},
        },
        RegisterFunction("f", "d", {"type": "object"}, {"type": "null"}, {"m": 1}),
    ),
    ({"type": "unregisterfunction", "id": "f"}, UnregisterFunction("f")),
    (
        {
            "type": "registertriggertype",
            "id": "t",
            "description": "d",
            "trigger_request_format": {},
            "call_request_format": [],
            "namespace": "n",
        },
        RegisterTriggerType("t", "d", {}, [], "n"),
    ),
    (
        {"type": "unregistertriggertype", "id": "t", "namespace": "n"},
        UnregisterTriggerType("t", "n"),
    ),
    (
        {
            "type": "registertrigger",
            "id": "i",
            "trigger_type": "t",
            "function_id": "f",
            "config": {"c": 1},
            "metadata": 5,
            "namespace": "n",
            "trigger_namespace": "tn",
        },
        RegisterTrigger("i", "t", "f", {"c": 1}, 5, "n", "tn"),
    ),
    ({"type": "unregistertrigger", "id": "i", "trigger_type": "t"}, UnregisterTrigger("i", "t")),
    (
        {
            "type": "triggerregistrationresult",
            "id": "i",
            "trigger_type": "t",
            "function_id": "f",
            "error": {"code": "c", "message": "m"},
        },
        TriggerRegistrationResult("i", "t", "f", ErrorBody("c", "m")),
    ),
    (
        {"type": "reattach", "previous_worker_id": "w", "reattach_token": "t"},
        Reattach("w", "t"),
    ),
    ({"type": "registerservice", "id": "s"}, RegisterService()),
    ({"type": "ping"}, Ping()),
    ({"type": "pong"}, Pong()),
]

REQUIRED = {
    "invokefunction": {"function_id", "data"},
    "invocationresult": {"invocation_id", "function_id"},
    "registerfunction": {"id"},
    "unregisterfunction": {"id"},
    "registertriggertype": {"id", "description"},
    "unregistertriggertype": {"id"},
    "registertrigger": {"id", "trigger_type", "function_id", "config"},
    "unregistertrigger": {"id"},
    "triggerregistrationresult": {"id", "trigger_type", "function_id"},
    "reattach": {"previous_worker_id"},
}
# Fields that take any JSON value.
ANYTHING = {
    "data",
    "result",
    "metadata",
    "config",
    "request_format",
    "response_format",
    "trigger_request_format",
    "call_request_format",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def read(frame: Any) -> ToEngine:
    return decode(json.dumps(frame).encode())


@pytest.mark.parametrize(("frame", "message"), FULL)
def test_reads_every_field_and_ignores_others(frame: dict[str, Any], message: ToEngine) -> None:
    assert read(frame) == message
    assert read({**frame, "later": {"version": 9}}) == message


@pytest.mark.parametrize(("frame", "message"), FULL)
def test_only_required_fields_are_required(frame: dict[str, Any], message: ToEngine) -> None:
    required = REQUIRED.get(frame["type"], set[str]())
    for name in frame.keys() - {"type", "id"}:
        without = {key: value for key, value in frame.items() if key != name}
        if name in required:
            with pytest.raises(DecodeError):
                read(without)
        else:
            assert type(read(without)) is type(message)
            assert read({**frame, name: None}) == read(without)


@pytest.mark.parametrize(("frame", "message"), FULL)
@pytest.mark.parametrize("wrong", [7, True, 1.5, [], {}, [1], {"a": 1}])
def test_a_field_of_another_type_spoils_the_frame(
    frame: dict[str, Any], message: ToEngine, wrong: Any
) -> None:
    for name in frame.keys() - ANYTHING:
        if frame["type"] == "registerservice" and name != "type":
            continue
        with pytest.raises(DecodeError):
            read({**frame, name: wrong})


@pytest.mark.slow
@given(st.sampled_from([frame for frame, _ in FULL]), st.data())
def test_any_value_anywhere_is_read_or_refused(frame: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(frame)))
    with contextlib.suppress(DecodeError):
        read({**frame, name: data.draw(json_values)})


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(frame: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(frame)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_what_is_no_strict_json_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        read({"type": "invokefunction", "function_id": "f", "data": value})


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '"ping"', "{}", '{"type": "nonsense"}', "", "   ", "{", "[" * 5000]
)
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode(text.encode())


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_bounded(opening: str) -> None:
    def frame(depth: int) -> bytes:
        # The frame itself is one level.
        data = opening * (depth - 1) + "1" + {"[": "]"}.get(opening, "}") * (depth - 1)
        return f'{{"type":"invokefunction","function_id":"f","data":{data}}}'.encode()

    decode(frame(MAX_DEPTH))
    with pytest.raises(DecodeError, match="deep"):
        decode(frame(MAX_DEPTH + 1))


def test_many_brackets_side_by_side_are_fine() -> None:
    data: list[list[int]] = [[] for _ in range(5 * MAX_DEPTH)]
    frame = {"type": "invokefunction", "function_id": "f", "data": data}
    assert read(frame) == InvokeFunction("f", data)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ID, ID),
        (ID.upper(), ID),
        (ID.replace("-", ""), ID),
        (f"{{{ID}}}", ID),
        (f"urn:uuid:{ID}", ID),
    ],
)
def test_invocation_ids_are_uuids_in_any_notation(given: str, expected: str) -> None:
    frame = {"type": "invokefunction", "function_id": "f", "data": 1, "invocation_id": given}
    message = read(frame)
    assert isinstance(message, InvokeFunction)
    assert message.invocation_id == expected


@pytest.mark.parametrize("wrong", ["", "x", ID[:-1], ID + "0"])
def test_other_invocation_ids_spoil_the_frame(wrong: str) -> None:
    with pytest.raises(DecodeError):
        read({"type": "invocationresult", "function_id": "f", "invocation_id": wrong})


@pytest.mark.parametrize(
    "action", ["void", {"type": "later"}, {"type": "enqueue"}, {"type": "enqueue", "queue": 1}, {}]
)
def test_unknown_actions_spoil_the_frame(action: Any) -> None:
    with pytest.raises(DecodeError):
        read({"type": "invokefunction", "function_id": "f", "data": 1, "action": action})


def test_void_action() -> None:
    message = read(
        {"type": "invokefunction", "function_id": "f", "data": None, "action": {"type": "void"}}
    )
    assert message == InvokeFunction("f", None, action=Void())


@pytest.mark.parametrize(
    "error", [{"code": "c"}, {"message": "m"}, {"code": 1, "message": "m"}, "e"]
)
def test_an_incomplete_error_spoils_the_frame(error: Any) -> None:
    frame = {"type": "invocationresult", "function_id": "f", "invocation_id": ID, "error": error}
    with pytest.raises(DecodeError):
        read(frame)
