"""Further experiments: their answers are described by the contract, not recorded."""

import asyncio
from typing import Any

from tests.engine.client import Frame
from tests.engine.conformance.lab import PREFIX, Lab, experiment
from tests.waiting import eventually

QUICK = {"type": "enqueue", "queue": "quick"}  # retries after 10 and 20 ms
ORDERED = {"type": "enqueue", "queue": "ordered"}  # fifo by `account`


@experiment("built-in-taken-by-a-worker")
async def built_in_taken(lab: Lab) -> Any:
    async with lab.client("bt") as caller:
        thief = await lab.doomed("thief")

        async def fake(data: Any, frame: Frame) -> Any:
            return "fake"

        place = {"scope": "s", "key": "k"}
        await caller.result("state::set", {**place, "value": "real"})
        await thief.register("state::get", fake)
        rejected = [frame["code"] for frame in thief.of_type("registrationrejected")]
        meanwhile = await caller.call("state::get", place)
        await thief.abort()
        await eventually_gone(lab, thief.worker_id)
        after = await caller.call("state::get", place)
        return {"rejected": rejected, "meanwhile": meanwhile, "after": after}


async def eventually_gone(lab: Lab, worker_id: str) -> None:
    async with lab.client() as client:
        while True:
            listed = await client.result("engine::workers::list", {})
            if worker_id not in {worker["id"] for worker in listed["workers"]}:
                return


@experiment("engine-called-in-another-namespace")
async def engine_in_another_namespace(lab: Lab) -> Any:
    async with lab.client("ns") as client:
        answer = await client.call("engine::workers::list", {}, namespace="dev")
        return answer.get("error", {"code": None})["code"]


@experiment("subscription-without-topic")
async def subscription_without_topic(lab: Lab) -> Any:
    async with lab.client("st") as client:
        await client.trigger("durable:subscriber", "f", {})
        return [frame["error"]["code"] for frame in client.of_type("triggerregistrationresult")]


@experiment("trigger-type-withdrawn")
async def trigger_type_withdrawn(lab: Lab) -> Any:
    async with lab.client("tw") as provider, lab.client("tc") as client:
        await provider.send({"type": "registertriggertype", "id": "tick", "description": "d"})
        await provider.barrier()
        await provider.send({"type": "unregistertriggertype", "id": "tick"})
        await provider.barrier()
        await client.trigger("tick", "f", {})
        await provider.barrier()
        return [frame["trigger_type"] for frame in provider.of_type("registertrigger")]


@experiment("emptied-scope")
async def emptied_scope(lab: Lab) -> Any:
    async with lab.client("es") as client:
        place = {"scope": "s", "key": "k"}
        await client.result("state::set", {**place, "value": 1})
        await client.result("state::delete", place)
        return await client.result("state::list_groups", {})


@experiment("published-while-the-subscriber-is-away")
async def subscriber_away(lab: Lab) -> Any:
    topic, function_id = {"topic": PREFIX + "away"}, PREFIX + "away"
    seen: list[Any] = []

    async def note(data: Any, frame: Frame) -> Any:
        seen.append(data)

    async with lab.client("pa") as publisher, lab.client("other") as other:
        await other.register(PREFIX + "other", note)
        await other.trigger("durable:subscriber", PREFIX + "other", topic)
        worker = await lab.doomed("away")
        await worker.register(function_id, note)
        await worker.trigger("durable:subscriber", function_id, topic)
        await worker.abort()
        await eventually_gone(lab, worker.worker_id)
        await publisher.result("iii::durable::publish", {**topic, "data": "missed"})
        await eventually(lambda: len(seen) == 1)
        async with lab.client("back") as back:
            await back.register(function_id, note)
            await back.trigger("durable:subscriber", function_id, topic)
            await publisher.result("iii::durable::publish", {**topic, "data": "last"})
            await eventually(lambda: seen.count("last") == 2)
            return {"missed": seen.count("missed"), "last": seen.count("last")}


@experiment("fifo-order-on-failure")
async def fifo_order_on_failure(lab: Lab) -> Any:
    async with lab.client("fo") as client:
        handled: list[int] = []

        async def fail_once(data: Any, frame: Frame) -> Any:
            handled.append(data["n"])
            if handled == [0]:
                raise ValueError("once")

        await client.register("work", fail_once)
        for number in (0, 1):
            await client.result("work", {"account": "a", "n": number}, action=ORDERED)
        await eventually(lambda: len(handled) == 3)
        return handled


@experiment("fifo-groups")
async def fifo_groups(lab: Lab) -> Any:
    async with lab.client("fg") as client:
        running, most = 0, 0
        go = asyncio.Event()
        done: list[str] = []

        async def work(data: Any, frame: Frame) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await go.wait()
            running -= 1
            done.append(data["account"])

        await client.register("work", work)
        for account in ("a", "a", "b"):
            await client.result("work", {"account": account}, action=ORDERED)
        await eventually(lambda: running == 2)
        go.set()
        await eventually(lambda: len(done) == 3)
        return {"running_at_a_time": most}


@experiment("named-dead-letter")
async def named_dead_letter(lab: Lab) -> Any:
    async with lab.client("nd") as client:

        async def fail(data: Any, frame: Frame) -> Any:
            raise ValueError("poison")

        await client.register("work", fail)
        receipt = await client.result("work", {"n": 1}, action=QUICK)
        while not (
            letters := await client.result("engine::queue::dlq_messages", {"topic": "quick"})
        ):
            pass
        topics = await client.result("engine::queue::dlq_topics", {})
        return {
            "error": letters[0]["error"],
            "id_is_the_receipt": letters[0]["id"] == receipt["messageReceiptId"],
            "topics": [topic["topic"] for topic in topics],
        }
