"""Experiments on `state::*`."""

import asyncio
from typing import Any

from tests.engine.client import Frame
from tests.engine.conformance.lab import PREFIX, Lab, experiment
from tests.waiting import eventually


@experiment("state-basics")
async def state_basics(lab: Lab) -> Any:
    async with lab.client("sb") as client:

        async def ask(function: str, **data: Any) -> Frame:
            return await client.call(f"state::{function}", {"scope": "basics", **data})

        return [
            await ask("get", key="k"),
            await ask("set", key="k", value={"a": 1}),
            await ask("set", key="k", value=None),
            await ask("get", key="k"),
            await ask("set", key="z", value=2),
            await ask("set", key="b", value=3),
            await ask("set", key="k", value="again"),
            await ask("list"),
            await ask("delete", key="z"),
            await ask("delete", key="z"),
            await ask("set", key="z", value=9),
            await ask("list"),
            await client.call("state::list", {"scope": "unknown"}),
            await ask("set"),
        ]


def _op(kind: str, path: Any = ..., **more: Any) -> dict[str, Any]:
    return {"type": kind, **({} if path is ... else {"path": path}), **more}


# Name, value before (... for none), operations.
UPDATES: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("set-field", {"a": 1}, [_op("set", "b", value=2)]),
    ("set-root", {"a": 1}, [_op("set", "", value=5)]),
    ("set-on-nonobject", 5, [_op("set", "b", value=2)]),
    ("set-missing-key", ..., [_op("set", "b", value=2)]),
    ("set-list-path", {"a": 1}, [_op("set", ["a"], value=2)]),
    ("set-dotted", {"a": {"b": 1}}, [_op("set", "a.b", value=2)]),
    ("inc-missing-key", ..., [_op("increment", "n", by=2)]),
    ("inc-missing-field", {"a": 1}, [_op("increment", "n", by=2)]),
    ("inc-field", {"n": 1}, [_op("increment", "n", by=2)]),
    ("inc-float-value", {"n": 1.5}, [_op("increment", "n", by=2)]),
    ("inc-by-float", {"n": 1}, [_op("increment", "n", by=2.5)]),
    ("inc-not-number", {"n": "x"}, [_op("increment", "n", by=2)]),
    ("inc-null", {"n": None}, [_op("increment", "n", by=2)]),
    ("inc-root", 4, [_op("increment", "", by=2)]),
    ("inc-root-missing", ..., [_op("increment", "", by=2)]),
    ("dec-field", {"n": 1}, [_op("decrement", "n", by=2)]),
    ("remove-field", {"n": 1, "m": 2}, [_op("remove", "n")]),
    ("remove-absent", {"m": 2}, [_op("remove", "n")]),
    ("remove-root", {"m": 2}, [_op("remove", "")]),
    ("merge-root", {"a": {"x": 1}}, [_op("merge", "", value={"a": {"y": 2}, "b": 1})]),
    ("merge-no-path", {"a": 1}, [_op("merge", value={"b": 1})]),
    ("merge-field", {"a": {"x": 1}}, [_op("merge", "a", value={"y": 2})]),
    ("merge-nested", {"a": {"x": {"p": 1}}}, [_op("merge", ["a", "x"], value={"q": 2})]),
    ("merge-nonobject-root", 5, [_op("merge", "", value={"q": 2})]),
    ("merge-nonobject-mid", {"a": 3}, [_op("merge", ["a", "x"], value={"q": 2})]),
    ("merge-not-object-value", {"a": 3}, [_op("merge", "a", value=3)]),
    ("merge-missing-key", ..., [_op("merge", "done", value={"1": "ok"})]),
    ("append-missing-key", ..., [_op("append", "", value=1)]),
    ("append-missing-string", ..., [_op("append", "", value="x")]),
    ("append-array", [1], [_op("append", "", value=2)]),
    ("append-string", "ab", [_op("append", "", value="c")]),
    ("append-field", {"l": [1]}, [_op("append", "l", value=2)]),
    ("append-field-missing", {}, [_op("append", "l", value="s")]),
    ("append-nested-missing", {}, [_op("append", ["l", "m"], value="s")]),
    ("append-mismatch", {"l": 3}, [_op("append", "l", value=2)]),
    ("append-empty-segment", {"l": [1]}, [_op("append", ["l", ""], value=2)]),
    ("proto", {"l": 1}, [_op("set", "__proto__", value=2)]),
    ("two-ops-one-fails", {"n": "x"}, [_op("increment", "n", by=1), _op("set", "m", value=1)]),
    ("no-ops", {"n": 1}, []),
    ("unknown-op", {"n": 1}, [_op("frobnicate", "n")]),
]


@experiment("state-update-table")
async def state_update_table(lab: Lab) -> Any:
    table: dict[str, Any] = {}
    async with lab.client("su") as client:
        for name, before, operations in UPDATES:
            place = {"scope": "upd", "key": name}
            if before is not ...:
                await client.result("state::set", {**place, "value": before})
            reply = await client.call("state::update", {**place, "ops": operations})
            result: Frame = reply.get("result") or {}
            errors: list[Frame] = result.get("errors", [])
            for error in errors:
                del error["message"]
            if "error" in reply:
                del reply["error"]["message"]
            table[name] = {"reply": reply, "stored": await client.call("state::get", place)}
    return table


@experiment("state-concurrent-increments", slow=True)
async def state_concurrent_increments(lab: Lab) -> Any:
    update = {
        "scope": "inc",
        "key": "k",
        "ops": [{"type": "increment", "path": "n", "by": 1}],
    }
    async with lab.client("i1") as a, lab.client("i2") as b, lab.client("i3") as c:
        async with lab.client("i4") as d:
            results = await asyncio.gather(
                *(
                    client.result("state::update", update)
                    for client in (a, b, c, d)
                    for _ in range(50)
                )
            )
        olds = {result["old_value"]["n"] if result["old_value"] else 0 for result in results}
        final = await a.call("state::get", {"scope": "inc", "key": "k"})
        return {"final": final, "distinct_old_values": len(olds)}


@experiment("state-trigger")
async def state_trigger(lab: Lab) -> Any:
    async with lab.client("st") as client:
        seen: list[Any] = []

        async def note(data: Any, frame: Frame) -> Any:
            seen.append(data)

        await client.register(PREFIX + "onstate", note)
        place = {"scope": PREFIX + "trg", "key": "a"}
        await client.trigger("state", PREFIX + "onstate", {"scope": place["scope"]})
        increment = {"type": "increment", "path": "", "by": 1}
        await client.result("state::set", {**place, "value": 1})
        await client.result("state::update", {**place, "ops": [increment]})
        await client.result("state::delete", place)
        await eventually(lambda: len(seen) == 3)
        return seen
