"""The engine as services see it, beside workers on sockets."""

import asyncio
import logging
from typing import Any

import pytest

from agentfx.engine import Engine
from agentfx.services._host import Binding, FunctionError, Trace, WorkerChange
from agentfx.wire import NULL
from tests.engine.client import Frame, connected
from tests.waiting import eventually


class Ticks:
    """A provider that notes what it is given."""

    def __init__(self) -> None:
        self.bound: dict[str, Binding] = {}
        self.ended: list[tuple[str, bool]] = []

    def bind(self, binding: Binding) -> None:
        if binding.config == {"bad": True}:
            raise FunctionError("refused", "not like this")
        self.bound[binding.id] = binding

    def unbind(self, binding: Binding, *, disconnected: bool) -> None:
        del self.bound[binding.id]
        self.ended.append((binding.function_id, disconnected))


async def test_a_function_of_this_process_answers_workers(engine: Engine) -> None:
    seen: list[tuple[Any, str | None]] = []

    async def double(data: Any, caller: str | None) -> Any:
        seen.append((data, caller))
        return data["n"] * 2

    engine.host.serve("double", double, description="Doubles", metadata={"m": 1})
    async with connected(engine.url, "client") as client:
        assert await client.call("double", {"n": 2}) == {"result": 4}
        assert seen == [({"n": 2}, client.worker_id)]
        rows = (await client.result("engine::functions::list", {"prefix": "double"}))["functions"]
        assert rows[0]["worker_name"] == "agentfx"
        assert rows[0]["metadata"] == {"m": 1}
        engine.host.withdraw("double")
        engine.host.withdraw("unknown")
        assert (await client.call("double", {}))["error"]["code"] == "function_not_found"


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        (None, {}),
        (NULL, {"result": None}),
        (False, {"result": False}),
        ([], {"result": []}),
        ({1: 2}, {"error": "serialization_error"}),
        (object(), {"error": "serialization_error"}),
        (FunctionError("mine", "text", "trace"), {"error": "mine"}),
        (ValueError("defect"), {"error": "invocation_failed"}),
    ],
)
async def test_whatever_a_handler_does_is_answered(
    engine: Engine, result: Any, answer: Frame, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def handler(data: Any, caller: str | None) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    engine.host.serve("f", handler)
    async with connected(engine.url) as client:
        found = await client.call("f", {})
        if "error" in found:
            found["error"] = found["error"]["code"]
        assert found == answer


@pytest.mark.slow
async def test_an_answer_that_is_too_large_is_an_error(engine: Engine) -> None:
    async def handler(data: Any, caller: str | None) -> Any:
        return "x" * (data << 20)

    engine.host.serve("f", handler)
    async with connected(engine.url) as client:
        assert len(await client.result("f", 63)) == 63 << 20
        assert (await client.call("f", 65))["error"]["code"] == "payload_too_large"
        assert len(await client.result("f", 1)) == 1 << 20


async def test_this_process_calls_workers(engine: Engine) -> None:
    frames: list[Frame] = []
    async with connected(engine.url, "worker") as worker:

        async def note(data: Any, frame: Frame) -> Any:
            frames.append(frame)
            if data == "fail":
                raise ValueError("no")
            return data

        await worker.register("f", note)
        assert await engine.host.call("f", {"a": 1}, metadata={"m": 1}) == {"a": 1}
        assert frames[0]["data"] == {"a": 1}
        assert frames[0]["metadata"] == {"m": 1}
        await engine.host.call("f", 1, trace=Trace("t", "b"))
        assert (frames[1]["traceparent"], frames[1]["baggage"]) == ("t", "b")
        with pytest.raises(FunctionError) as failure:
            await engine.host.call("f", "fail")
        assert (failure.value.code, failure.value.message) == ("invocation_failed", "no")
        with pytest.raises(FunctionError, match="serialization_error"):
            await engine.host.call("f", object())
        engine.host.send("f", 2)
        await eventually(lambda: len(frames) == 4)
    engine.host.send("f", 3)
    with pytest.raises(FunctionError, match="function_not_found"):
        await engine.host.call("f", 4)


async def test_this_process_calls_itself(engine: Engine) -> None:
    traces: list[Trace] = []

    async def outer(data: Any, caller: str | None) -> Any:
        traces.append(engine.host.trace())
        return await engine.host.call("inner", data)

    async def inner(data: Any, caller: str | None) -> Any:
        traces.append(engine.host.trace())
        if data == "null":
            return NULL
        return [data, caller]

    engine.host.serve("outer", outer)
    engine.host.serve("inner", inner)
    assert await engine.host.call("outer", 5, trace=Trace("t")) == [5, None]
    assert traces == [Trace("t"), Trace()]
    assert await engine.host.call("inner", "null") is None
    assert engine.host.trace() == Trace()


async def test_who_waits_for_a_worker_hears_of_its_end(engine: Engine) -> None:
    async with connected(engine.url, "worker") as worker:

        async def hang(data: Any, frame: Frame) -> Any:
            await asyncio.Event().wait()

        await worker.register("f", hang)
        call = asyncio.ensure_future(engine.host.call("f", {}))
        await asyncio.sleep(0)
        await worker.abort()
        with pytest.raises(FunctionError, match="invocation_stopped"):
            await call


async def test_who_stops_waiting_leaves_nothing_behind(engine: Engine) -> None:
    async with connected(engine.url, "worker") as worker:
        go = asyncio.Event()

        async def wait(data: Any, frame: Frame) -> Any:
            await go.wait()

        await worker.register("f", wait)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.host.call("f", {}), 0.05)
        go.set()
        await worker.barrier()
        rows = (await worker.result("engine::workers::list", {"search": "worker"}))["workers"]
        assert rows[0]["active_invocations"] == 1  # this very call


async def test_a_stopped_engine_answers_its_own_waiters(engine: Engine) -> None:
    async def hang(data: Any, caller: str | None) -> Any:
        await asyncio.Event().wait()

    engine.host.serve("f", hang)
    call = asyncio.ensure_future(engine.host.call("f", {}))
    await asyncio.sleep(0)
    await engine.stop()
    with pytest.raises(FunctionError, match="invocation_stopped"):
        await call


async def test_workers_and_functions_are_announced(engine: Engine) -> None:
    changes: list[WorkerChange] = []
    functions: list[tuple[str, str]] = []
    engine.host.on_worker_change(changes.append)
    engine.host.on_function_added(lambda namespace, name: functions.append((namespace, name)))
    async with connected(engine.url) as client:
        await client.introduce("w", namespace="dev")

        async def nothing(data: Any, frame: Frame) -> Any:
            return None

        await client.register("f", nothing)
        worker_id = client.worker_id
    await eventually(lambda: len(changes) == 2)
    assert changes == [
        WorkerChange("connected", worker_id),
        WorkerChange("disconnected", worker_id),
    ]
    assert functions == [("dev", "f")]


async def test_triggers_of_this_process(engine: Engine) -> None:
    ticks = Ticks()
    async with connected(engine.url, "early") as early, connected(engine.url, "late") as late:
        await early.trigger("tick", "f", {"n": 1}, metadata=7, namespace="dev")
        engine.host.provide("tick", ticks, description="Ticks")
        made = await late.trigger("tick", "g", {"n": 2})
        bad = await late.trigger("tick", "g", {"bad": True})
        refusal = await late.expect("triggerregistrationresult")
        assert (refusal["id"], refusal["error"]["message"]) == (bad, "not like this")
        assert [one.function_id for one in ticks.bound.values()] == ["f", "g"]
        first = next(iter(ticks.bound.values()))
        assert (first.config, first.metadata, first.namespace) == ({"n": 1}, 7, "dev")
        await late.send({"type": "unregistertrigger", "id": made})
        await late.barrier()
        await early.abort()
        await eventually(lambda: len(ticks.ended) == 2)
        assert ticks.ended == [("g", False), ("f", True)]
        call = await late.call(
            "engine::register_trigger",
            {"trigger_type": "tick", "function_id": "h", "config": {"bad": True}},
        )
        assert call["error"]["code"] == "trigger_registration_failed"
        engine.host.retract("tick")
        engine.host.retract("unknown")
        types = await late.result("engine::triggers::list", {"prefix": "tick"})
        assert types == {"triggers": []}


async def test_what_others_have_is_not_taken(engine: Engine) -> None:
    async def nothing(data: Any, caller: str | None) -> Any:
        return None

    async with connected(engine.url, "worker") as worker:
        await worker.register("f", lambda data, frame: nothing(data, None))
        for taken in ("f", "engine::functions::list"):
            with pytest.raises(FunctionError, match="FUNCTION_NAMESPACE_CONFLICT"):
                engine.host.serve(taken, nothing)
        await worker.send({"type": "registertriggertype", "id": "tick", "description": "d"})
        await worker.barrier()
        with pytest.raises(FunctionError, match="FUNCTION_NAMESPACE_CONFLICT"):
            engine.host.provide("tick", Ticks(), description="Ticks")


async def test_a_handler_may_be_replaced(engine: Engine) -> None:
    async def one(data: Any, caller: str | None) -> Any:
        return 1

    async def two(data: Any, caller: str | None) -> Any:
        return 2

    engine.host.serve("f", one)
    engine.host.serve("f", two)
    assert await engine.host.call("f", {}) == 2
