"""Experiments on topics and named queues."""

import asyncio
import time
from typing import Any

from tests.engine.client import Client, Frame
from tests.engine.conformance.lab import PREFIX, Lab, experiment
from tests.waiting import eventually

TO_DEFAULT = {"type": "enqueue", "queue": "default"}


async def _publish(client: Client, topic: str, data: Any) -> Frame:
    return await client.call("iii::durable::publish", {"topic": PREFIX + topic, "data": data})


async def _stats_once_handled(client: Client, topic: str, seen: list[Any]) -> Frame:
    await eventually(lambda: bool(seen))
    while True:
        stats = await client.call("engine::queue::topic_stats", {"topic": topic})
        if not stats["result"]["depth"]:
            return stats


@experiment("topic-deliver")
async def topic_deliver(lab: Lab) -> Any:
    async with lab.client("td") as client:
        seen: list[Any] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append({"data": data, "keys": sorted(frame)})
            return {"ok": True}

        await client.register(PREFIX + "sub", note)
        config = {"topic": PREFIX + "topic", "queue_config": {"concurrency": 2}}
        await client.trigger("durable:subscriber", PREFIX + "sub", config)
        published = await _publish(client, "topic", {"n": 1})
        stats = await _stats_once_handled(client, PREFIX + "topic", seen)
        empty = await client.call("iii::durable::publish", {"topic": "", "data": 1})
        return {"publish": published, "seen": seen, "stats": stats, "empty_topic": empty}


@experiment("topic-fan-out")
async def topic_fan_out(lab: Lab) -> Any:
    async with lab.client("f1") as a, lab.client("f2") as b:
        seen: list[str] = []

        async def note_a(data: Any, frame: Frame) -> Any:
            seen.append("A")

        async def note_b(data: Any, frame: Frame) -> Any:
            seen.append("B")

        for client, name, handler in ((a, "fanA", note_a), (b, "fanB", note_b)):
            await client.register(PREFIX + name, handler)
            await client.trigger("durable:subscriber", PREFIX + name, {"topic": PREFIX + "fan"})
        for number in range(3):
            await _publish(a, "fan", {"i": number})
        await eventually(lambda: len(seen) >= 6)
        return sorted(seen)


@experiment("topic-retry-dlq-redrive", slow=True)
async def topic_retry(lab: Lab) -> Any:
    async with lab.client("dl") as client:
        times: list[float] = []
        failing = True

        async def handle(data: Any, frame: Frame) -> Any:
            times.append(time.monotonic())
            if failing:
                raise ValueError("poison")

        await client.register(PREFIX + "dlsub", handle)
        topic = {"topic": PREFIX + "dltopic"}
        await client.trigger("durable:subscriber", PREFIX + "dlsub", topic)
        began = time.monotonic()
        await _publish(client, "dltopic", {"bad": 1})
        letters: Frame = {"result": []}
        while not letters["result"]:
            letters = await client.call("engine::queue::dlq_messages", topic)
            await asyncio.sleep(0.02)
        attempts = [one - began for one in times]
        topics = await client.result("engine::queue::dlq_topics", {})
        stats = await client.call("engine::queue::topic_stats", topic)
        failing = False
        redriven = await client.call("iii::queue::redrive", topic)
        await eventually(lambda: len(times) > len(attempts))
        return {
            "attempt_count": len(attempts),
            "attempt_times": attempts,
            "dlq": letters,
            "dlq_topics": topics,
            "stats": stats,
            "redrive": redriven,
            "deliveries_after_redrive": len(times) - len(attempts),
        }


@experiment("topic-no-subscriber")
async def topic_no_subscriber(lab: Lab) -> Any:
    async with lab.client("ns") as client:
        seen: list[Any] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(data)

        published = await _publish(client, "nosub", {"early": 1})
        await client.register(PREFIX + "late", note)
        await client.trigger("durable:subscriber", PREFIX + "late", {"topic": PREFIX + "nosub"})
        await eventually(lambda: bool(seen))
        return {"publish": published, "delivered_late": seen}


async def _hold(client: Client, function_id: str) -> asyncio.Event:
    got = asyncio.Event()

    async def hang(data: Any, frame: Frame) -> Any:
        got.set()
        await asyncio.Event().wait()

    await client.register(function_id, hang)
    return got


@experiment("topic-consumer-dies")
async def topic_consumer_dies(lab: Lab) -> Any:
    async with lab.client("cdp") as publisher, lab.client("cd2") as heir:
        worker = await lab.doomed("cd1")
        function_id, topic = PREFIX + "cdsub", {"topic": PREFIX + "dies"}
        got = await _hold(worker, function_id)
        await worker.trigger("durable:subscriber", function_id, topic)
        await _publish(publisher, "dies", {"job": 1})
        await got.wait()
        seen: list[float] = []
        await worker.abort()
        began = time.monotonic()

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(time.monotonic() - began)

        await heir.register(function_id, note)
        await heir.trigger("durable:subscriber", function_id, topic)
        await eventually(lambda: bool(seen))
        return {"redelivered": len(seen), "after_s": seen}


@experiment("named-enqueue")
async def named_enqueue(lab: Lab) -> Any:
    async with lab.client("ne") as client:
        seen: list[Any] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append({"data": data, "keys": sorted(frame)})

        job = PREFIX + "job"
        await client.register(job, note)
        receipt = await client.call(job, {"n": 1}, action=TO_DEFAULT)
        elsewhere = {"type": "enqueue", "queue": PREFIX + "nope"}
        unknown = await client.call(job, {"n": 1}, action=elsewhere)
        stats = await _stats_once_handled(client, "default", seen)
        return {"receipt": receipt, "unknown_queue": unknown, "seen": seen, "stats": stats}


@experiment("named-missing-function")
async def named_missing_function(lab: Lab) -> Any:
    async with lab.client("nm") as client:
        seen: list[Any] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(data)

        receipt = await client.call(PREFIX + "later", {"n": 1}, action=TO_DEFAULT)
        await client.register(PREFIX + "later", note)
        await eventually(lambda: bool(seen))
        return {"receipt": receipt, "delivered": seen}


@experiment("named-consumer-dies")
async def named_consumer_dies(lab: Lab) -> Any:
    async with lab.client("ndp") as publisher, lab.client("nd2") as heir:
        worker = await lab.doomed("nd1")
        got = await _hold(worker, PREFIX + "ndies")
        await publisher.call(PREFIX + "ndies", {"job": 1}, action=TO_DEFAULT)
        await got.wait()
        seen: list[float] = []
        await worker.abort()
        began = time.monotonic()

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(time.monotonic() - began)

        await heir.register(PREFIX + "ndies", note)
        await eventually(lambda: bool(seen))
        return {"redelivered": len(seen), "after_s": seen}
