"""A worker and a caller on the unmodified Python SDK; what they see goes to standard output.

    scenario.py URL TOKEN NAME LARGEST

Works with every SDK from 0.24.5 on. Ends when standard input does.
"""

import asyncio
import importlib
import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

iii: Any = importlib.import_module("iii")  # untyped, and of any version
warnings.simplefilter("ignore")  # 0.25 deprecates triggers, which engines still need
logging.disable(logging.CRITICAL)  # it complains of every attempt to reconnect
_printing = threading.Lock()


def tell(step: str, value: Any = None) -> None:
    with _printing:
        sys.stdout.write(json.dumps({"step": step, "value": value}) + "\n")
        sys.stdout.flush()


def connect(url: str, token: str, name: str) -> Any:
    options = iii.InitOptions(
        worker_name=name,
        otel={"enabled": False},
        headers={"Authorization": f"Bearer {token}"},
    )
    return iii.register_worker(url, options)


def failing(call: Callable[[], Any]) -> str:
    try:
        call()
    except iii.InvocationError as error:
        return str(error.code)
    return "no error"


async def bind(_: Any, config: Any) -> None:
    tell("bound", config.function_id)


async def unbind(_: Any, config: Any) -> None:
    tell("unbound", config.id is not None)


def ticks() -> Any:
    """A provider of triggers; its base class is untyped."""
    base = importlib.import_module("iii.trigger").TriggerHandler
    return type("Ticks", (base,), {"register_trigger": bind, "unregister_trigger": unbind})()


def offer(worker: Any, name: str) -> None:
    async def echo(data: dict[str, Any]) -> dict[str, Any]:
        return {"by": name, **data}

    def fail(data: Any) -> Any:
        raise ValueError("boom")

    async def hang(data: Any) -> Any:
        tell("hanging")
        await asyncio.sleep(600)

    def seen(step: str) -> Callable[[Any], None]:
        return lambda data: tell(step, data)

    worker.register_function(f"{name}::echo", echo, description="Echoes")
    worker.register_function(f"{name}::fail", fail)
    worker.register_function(f"{name}::hang", hang)
    worker.register_function(f"{name}::message", seen("message"))
    worker.register_function(f"{name}::job", seen("job"))
    worker.register_function(f"{name}::change", seen("change"))
    worker.register_trigger_type(
        {"id": f"{name}::tick", "description": "Ticks"},
        ticks(),
    )
    worker.register_trigger(
        {
            "type": "durable:subscriber",
            "function_id": f"{name}::message",
            "config": {"topic": f"{name}-topic"},
        }
    )
    worker.register_trigger(
        {"type": "state", "function_id": f"{name}::change", "config": {"scope": name}}
    )
    worker.register_trigger({"type": f"{name}::tick", "function_id": f"{name}::echo", "config": {}})


def ask(caller: Any, name: str, largest: int) -> None:
    def call(function_id: str, payload: Any, **more: Any) -> Any:
        return caller.trigger({"function_id": function_id, "payload": payload, **more})

    def known() -> set[str]:
        found = call("engine::functions::list", {})["functions"]
        return {row["function_id"] for row in found}

    while f"{name}::change" not in known():
        time.sleep(0.01)
    answer = call(f"{name}::echo", {"n": 1})
    tell("echo", sorted(answer))
    tell("failed", failing(lambda: call(f"{name}::fail", {})))
    tell("unknown", failing(lambda: call("nobody::home", {})))
    tell("set", call("state::set", {"scope": name, "key": "k", "value": {"n": 1}}))
    increment = {"type": "increment", "path": "n", "by": 2}
    tell("updated", call("state::update", {"scope": name, "key": "k", "ops": [increment]}))
    tell("got", call("state::get", {"scope": name, "key": "k"}))
    tell("missing", call("state::get", {"scope": name, "key": "nothing"}))
    tell("listed", call("state::list", {"scope": name}))
    tell("published", call("iii::durable::publish", {"topic": f"{name}-topic", "data": {"m": 1}}))
    receipt = call(f"{name}::job", {"j": 1}, action=iii.TriggerAction.Enqueue(queue="default"))
    tell("receipt", sorted(receipt))
    tell("big", len(call(f"{name}::echo", {"big": "x" * largest})["big"]))


def main() -> None:
    url, token, name, largest = sys.argv[1:]
    worker, caller = connect(url, token, name), connect(url, token, f"{name}-caller")
    try:
        offer(worker, name)
        ask(caller, name, int(largest))
        tell("ready")
        sys.stdin.read()
    finally:
        worker.shutdown()
        caller.shutdown()
    tell("ended")


if __name__ == "__main__":
    main()
