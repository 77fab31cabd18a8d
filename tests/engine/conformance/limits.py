"""Experiments on limits and security."""

import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.engine.conformance.lab import Lab, experiment


@experiment("origin-header")
async def origin_header(lab: Lab) -> Any:
    try:
        async with connect(lab.url, origin="https://evil.example") as socket:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            first = json.loads(await socket.recv())
    except InvalidStatus:
        return {"accepted": False}
    return {"accepted": True, "first": first["type"]}


@experiment("large-message", slow=True)
async def large_message(lab: Lab) -> Any:
    found: dict[str, str] = {}
    for mebibytes in (1, 8, 15, 17):
        value = "x" * (mebibytes << 20)
        try:
            async with lab.client(f"lm{mebibytes}") as client:
                data = {"scope": "big", "key": str(mebibytes), "value": value}
                reply = await client.call("state::set", data, seconds=5)
                found[str(mebibytes)] = "ok" if "result" in reply else "closed"
        except ConnectionClosedError:
            found[str(mebibytes)] = "ConnectionClosedError"
    return found
