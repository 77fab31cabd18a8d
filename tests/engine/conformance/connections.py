"""Experiments on connections and calls."""

import asyncio
import time
import uuid
from typing import Any

from tests.engine.client import Client, Frame
from tests.engine.conformance.lab import PREFIX, Lab, experiment
from tests.waiting import eventually


async def _echo(data: Any, frame: Frame) -> Any:
    return data


@experiment("connect")
async def connect(lab: Lab) -> Any:
    async with lab.client() as client:
        return client.frames[0]


@experiment("register-worker-reply")
async def register_worker_reply(lab: Lab) -> Any:
    async with lab.client() as client:
        return await client.introduce(PREFIX + "w")


@experiment("nonsense-frame-is-dropped")
async def nonsense_frame_is_dropped(lab: Lab) -> Any:
    async with lab.client("n") as client:
        await client.send({"type": "nonsense"})
        await client.send("not json")
        return await client.call("state::get", {"scope": "s", "key": "k"})


@experiment("missing-data-field")
async def missing_data_field(lab: Lab) -> Any:
    async with lab.client("md") as client:
        without = await client.call("state::get", seconds=0.2)
        return {"without": without, "empty": await client.call("state::get", {})}


@experiment("unknown-function")
async def unknown_function(lab: Lab) -> Any:
    async with lab.client("uf") as client:
        return await client.call(PREFIX + "nobody", {})


@experiment("json-ping")
async def json_ping(lab: Lab) -> Any:
    async with lab.client("p") as client:
        await client.send({"type": "ping"})
        return await client.expect("pong")


@experiment("invoke-roundtrip-and-injected-caller")
async def invoke_roundtrip(lab: Lab) -> Any:
    async with lab.client("a") as worker, lab.client("b") as caller:
        seen: list[Any] = []

        async def echo(data: Any, frame: Frame) -> Any:
            seen.append({"data": data, "keys": sorted(frame)})
            return data

        await worker.register(PREFIX + "echo", echo)
        payloads: list[Any] = [{"x": 1}, [1, 2], "s", None, 3]
        results = [await caller.call(PREFIX + "echo", payload) for payload in payloads]
        return {"results": results, "seen": seen}


@experiment("void-call")
async def void_call(lab: Lab) -> Any:
    async with lab.client("va") as worker, lab.client("vb") as caller:
        seen: list[list[str]] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(sorted(frame))

        await worker.register(PREFIX + "void", note)
        await caller.send(
            {
                "type": "invokefunction",
                "function_id": PREFIX + "void",
                "data": {},
                "action": {"type": "void"},
            }
        )
        await eventually(lambda: bool(seen))
        return seen


@experiment("handler-error")
async def handler_error(lab: Lab) -> Any:
    async with lab.client("ea") as worker, lab.client("eb") as caller:

        async def fail(data: Any, frame: Frame) -> Any:
            raise ValueError("boom")

        await worker.register(PREFIX + "err", fail)
        return await caller.call(PREFIX + "err", {})


@experiment("null-result")
async def null_result(lab: Lab) -> Any:
    async with lab.client("na") as worker, lab.client("nb") as caller:

        async def nothing(data: Any, frame: Frame) -> Any:
            return None

        await worker.register(PREFIX + "nul", nothing)
        return await caller.call(PREFIX + "nul", {})


async def _started(worker: Client, function_id: str) -> asyncio.Event:
    """Register a function that never ends, and tell when it begins."""
    started = asyncio.Event()

    async def hang(data: Any, frame: Frame) -> Any:
        started.set()
        await asyncio.Event().wait()

    await worker.register(function_id, hang)
    return started


@experiment("executor-dies-mid-call")
async def executor_dies(lab: Lab) -> Any:
    async with lab.client("xb") as caller:
        worker = await lab.doomed("xa")
        started = await _started(worker, PREFIX + "slow")
        call = asyncio.ensure_future(caller.call(PREFIX + "slow", {}))
        await started.wait()
        began = time.monotonic()
        await worker.abort()
        reply = await call
        return {
            "reply": reply,
            "within_1s": time.monotonic() - began < 1,
            "after": await caller.call(PREFIX + "slow", {}),
        }


@experiment("caller-dies-mid-call")
async def caller_dies(lab: Lab) -> Any:
    async with lab.client("ya") as worker:
        caller = await lab.doomed("yb")
        done: list[int] = []
        started, caller_gone = asyncio.Event(), asyncio.Event()

        async def slow(data: Any, frame: Frame) -> Any:
            started.set()
            await caller_gone.wait()
            done.append(1)
            return 1

        await worker.register(PREFIX + "yslow", slow)
        frame: Frame = {"type": "invokefunction", "function_id": PREFIX + "yslow", "data": {}}
        await caller.send({**frame, "invocation_id": str(uuid.uuid4())})
        await started.wait()
        await caller.abort()
        caller_gone.set()
        await eventually(lambda: bool(done))
        await worker.barrier()
        return {"handler_finished": done, "executor_open": worker.closed is None}


async def _first(data: Any, frame: Frame) -> Any:
    return "first"


async def _second(data: Any, frame: Frame) -> Any:
    return "second"


@experiment("two-owners-of-one-function")
async def two_owners(lab: Lab) -> Any:
    async with lab.client("o1") as owner, lab.client("o3") as caller:
        other = await lab.doomed("o2")
        await owner.register(PREFIX + "own", _first)
        await other.register(PREFIX + "own", _second)
        both = await caller.call(PREFIX + "own", {})
        rejected = other.of_type("registrationrejected")
        await other.abort()
        after = await caller.call(PREFIX + "own", {})
        return {"both": both, "rejected": rejected, "after_second_left": after}


@experiment("owner-leaves-second-stays")
async def owner_leaves(lab: Lab) -> Any:
    async with lab.client("q2") as other, lab.client("q3") as caller:
        owner = await lab.doomed("q1")
        await owner.register(PREFIX + "own2", _first)
        await other.register(PREFIX + "own2", _second)
        await owner.abort()
        left: Frame = {"result": "first"}
        while left == {"result": "first"}:  # until the engine has noticed
            left = await caller.call(PREFIX + "own2", {})
        await other.register(PREFIX + "own2", _second)
        after = await caller.call(PREFIX + "own2", {})
        return {"after_first_left": left, "after_second_reregisters": after}


@experiment("same-worker-name")
async def same_worker_name(lab: Lab) -> Any:
    async with lab.client("same") as first:
        second = Client(lab.url)
        await second.open()
        data = {"name": PREFIX + "same", "pid": 1}
        await second.send(
            {
                "type": "invokefunction",
                "invocation_id": str(uuid.uuid4()),
                "function_id": "engine::workers::register",
                "data": data,
            }
        )
        closed = await second.until_closed()
        return {
            "second_frames": second.frames[1:],
            "second_closed": list(closed),
            "first_open": first.closed is None,
        }


@experiment("functions-info")
async def functions_info(lab: Lab) -> Any:
    async with lab.client("fi") as worker:
        schema = {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
        }
        typed, missing = PREFIX + "typed", PREFIX + "zz"
        await worker.register(
            typed,
            _echo,
            description="d",
            request_format=schema,
            response_format={"type": "integer"},
            metadata={"team": "x"},
        )
        info = "engine::functions::info"
        return {
            "list": await worker.result("engine::functions::list", {"prefix": typed}),
            "info": await worker.call(info, {"function_id": typed}),
            "batch": await worker.call(info, {"function_ids": [typed, missing]}),
            "missing": await worker.call(info, {"function_id": missing}),
            "none": await worker.call(info, {}),
        }


@experiment("workers-list")
async def workers_list(lab: Lab) -> Any:
    async with lab.client("wl") as client:
        workers = (await client.result("engine::workers::list", {}))["workers"]
        mine = [worker for worker in workers if worker["name"] == PREFIX + "wl"]
        others = {worker["runtime"] for worker in workers if worker not in mine}
        return {"mine": mine, "builtin_runtimes": sorted(others)}


@experiment("workers-available-trigger")
async def workers_available(lab: Lab) -> Any:
    async with lab.client("wa") as client:
        seen: list[Frame] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(data)

        await client.register(PREFIX + "avail", note)
        await client.trigger("engine::workers-available", PREFIX + "avail", {})
        other = await lab.doomed("wb")
        began = time.monotonic()
        await other.abort()
        await eventually(lambda: any(one["event"] == "worker_disconnected" for one in seen))
        return {
            "events": [one["event"] for one in seen if one["worker_id"] == other.worker_id],
            "keys": sorted({name for one in seen for name in one}),
            "disconnect_seen_within_1s": time.monotonic() - began < 1,
        }
