"""A worker without any SDK: frames on a WebSocket, error codes of its own, odd contracts."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

import agentfx as fx
from agentfx.contracts import read_registry, remote
from agentfx.contracts._module import module_source
from tests.waiting import DEADLINE_SECONDS, POLL_SECONDS

pytestmark = pytest.mark.slow

WHY = {"type": "object", "properties": {"why": {"type": "string"}}, "required": ["why"]}
FUNCTIONS: dict[str, Any] = {
    "raw::sum": {
        "request_format": {"type": "array", "items": {"type": "integer"}},
        "response_format": {"type": "integer"},
    },
    "raw::none": {"response_format": {"type": "null"}},
    "raw::lies": {"response_format": {"type": "integer"}},
    "raw::fails": {
        "request_format": {"type": "object", "properties": {"how": {"type": "string"}}},
        "metadata": {"errors": {"Nope": WHY}},
    },
    "raw::odd": {
        "description": '"""\x1b[2J<script>',
        "request_format": "no schema",
        "response_format": [1],
        "metadata": {"errors": {"E": 5, "not a name": {}}, "language": ["x"]},
    },
}
ERRORS: dict[str, Any] = {
    "by code": {"code": "Nope", "message": '{"why": "x"}'},
    "by message": {"code": "invocation_failed", "message": 'Nope: {"why": "x"}'},
    "no JSON": {"code": "Nope", "message": "because"},
    "not listed": {"code": "Other", "message": '{"why": "x"}'},
    "nameless": {"code": "", "message": ""},
    "half": {"code": "Nope"},
}


def answer(function_id: str, data: Any) -> dict[str, Any]:
    match function_id:
        case "raw::sum":
            return {"result": sum(data)}
        case "raw::none":
            return {}
        case "raw::lies":
            return {"result": "three"}
        case _:
            return {"error": ERRORS[data["how"]]}


async def serve(socket: ClientConnection) -> None:
    async for text in socket:
        frame = json.loads(text)
        if frame["type"] == "invokefunction":
            ids = {key: frame[key] for key in ("invocation_id", "function_id")}
            body = answer(frame["function_id"], frame["data"])
            await socket.send(json.dumps({"type": "invocationresult", **ids, **body}))


@pytest.fixture
async def plain(polyglot: fx.Cluster) -> AsyncIterator[fx.Cluster]:
    headers = {"Authorization": f"Bearer {polyglot.token}"}
    async with websockets.connect(polyglot.url, additional_headers=headers) as socket:
        about = {"runtime": "plain", "version": "0", "name": "plain-1", "pid": os.getpid()}
        register = {
            "type": "invokefunction", "invocation_id": str(uuid.uuid4()),
            "function_id": "engine::workers::register", "data": about,
        }  # fmt: skip
        await socket.send(json.dumps(register))
        for name, contract in FUNCTIONS.items():
            await socket.send(json.dumps({"type": "registerfunction", "id": name, **contract}))
        serving = asyncio.create_task(serve(socket))

        async with asyncio.timeout(DEADLINE_SECONDS):
            while not FUNCTIONS.keys() <= set(await polyglot._functions()):  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_SECONDS)
        yield polyglot
        serving.cancel()


async def test_inputs_that_are_no_objects(plain: fx.Cluster) -> None:
    assert await fx.run_dist(remote("raw::sum")([1, 2, 3]), backend=plain) == fx.Ok(6)
    assert await fx.run_dist(remote("raw::none")(), backend=plain) == fx.Ok(None)


@pytest.mark.parametrize("replayable", [False, True], ids=["direct", "durable"])
async def test_a_result_that_breaks_its_contract(replayable: bool, plain: fx.Cluster) -> None:
    call = remote("raw::lies", replayable=True) if replayable else remote("raw::lies")
    result = await fx.run_dist(call(), backend=plain)
    assert isinstance(result, fx.Err)
    assert isinstance(result.error, fx.ContractViolation)
    assert result.error.where == "output"


@pytest.mark.parametrize("replayable", [False, True], ids=["direct", "durable"])
@pytest.mark.parametrize("how", ["by code", "by message", "no JSON", "not listed", "nameless"])
async def test_the_convention_of_failures(how: str, replayable: bool, plain: fx.Cluster) -> None:
    call = remote("raw::fails", replayable=True) if replayable else remote("raw::fails")
    result = await fx.run_dist(call(how=how), backend=plain)
    assert isinstance(result, fx.Err)
    if how.startswith("by"):
        assert result.error == fx.RemoteFailure(name="Nope", fields={"why": "x"})
    else:
        assert isinstance(result.error, fx.TaskError)
        assert result.error.reason == "crashed"


async def test_an_answer_that_no_engine_can_read_ends_at_the_deadline(plain: fx.Cluster) -> None:
    result = await fx.run_dist(remote("raw::fails", timeout=0.3)(how="half"), backend=plain)
    assert isinstance(result, fx.Err)
    assert isinstance(result.error, fx.TaskError)
    assert result.error.reason == "timeout"


async def test_odd_contracts_are_read_as_far_as_they_go(plain: fx.Cluster) -> None:
    rows = await read_registry(plain.connection)
    (odd,) = (row for row in rows if row.id == "raw::odd")
    assert odd.published.language == "plain"
    assert list(odd.published.errors) == ["E"]
    compile(module_source(rows), "contracts.py", "exec")
