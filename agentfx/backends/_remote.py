"""Functions of other workers, over one connection: what is published of them, and calls."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from agentfx.algebra import Published, Reason, TaskError, Wire, encode_err
from agentfx.backends._connection import CallError, Connection, LinkLostError
from agentfx.wire import Json, declared_errors, failure_in, is_object

ASK_SECONDS = 10.0
BATCH = 32
_REASONS: dict[str, Reason] = {
    "function_not_found": "no_worker",
    "TIMEOUT": "timeout",
    "invocation_stopped": "lost",
    "payload_too_large": "too_large",
}


@dataclass(frozen=True, slots=True)
class Registered:
    """A function in the registry of an engine.

    Attributes:
        worker: Name of its worker.
        published: What that publishes about it.
    """

    id: str
    worker: str
    description: str
    published: Published


async def registered(
    connection: Connection, *, prefix: str | None = None, internal: bool = False
) -> list[Registered]:
    """All functions of the registry, by id.

    Args:
        connection: To the engine.
        prefix: Only ids that start with it.
        internal: Also functions that are hidden from listings.
    """
    query = {"prefix": prefix, "include_internal": internal}
    listing = await connection.call("engine::functions::list", query, ASK_SECONDS)
    ids = sorted({row["function_id"] for row in listing["functions"]})
    languages = await _languages(connection)
    found: list[Registered] = []
    for start in range(0, len(ids), BATCH):
        rows = await _details(connection, ids[start : start + BATCH])
        found += [_registered(row, languages) for row in rows if "error" not in row]
    return found


async def published(connection: Connection, function_id: str) -> Registered | None:
    """A function of the registry, None if nobody has it now.

    Raises:
        LinkLostError: The link closed meanwhile.
    """
    try:
        row = await connection.call(
            "engine::functions::info", {"function_id": function_id}, ASK_SECONDS
        )
    except CallError:
        return None
    return _registered(row, await _languages(connection))


async def _details(connection: Connection, ids: Sequence[str]) -> list[Json]:
    try:
        batch = await connection.call(
            "engine::functions::info", {"function_ids": list(ids)}, ASK_SECONDS
        )
    except CallError:  # engines before 0.21.3 answer for one at a time
        return [
            await connection.call("engine::functions::info", {"function_id": i}, ASK_SECONDS)
            for i in ids
        ]
    found: list[Json] = batch["functions"]
    return found


async def _languages(connection: Connection) -> dict[str, str]:
    """What each worker is written in, by its name."""
    listing = await connection.call("engine::workers::list", {}, ASK_SECONDS)
    return {row["name"]: row["runtime"] for row in listing["workers"] if row.get("runtime")}


def _registered(row: Json, languages: dict[str, str]) -> Registered:
    worker: str = row.get("worker_name") or ""
    metadata: Json = row.get("metadata")
    told: Json = metadata.get("language") if is_object(metadata) else None
    return Registered(
        row["function_id"],
        worker,
        row.get("description") or "",
        Published(
            row.get("request_schema"),
            row.get("response_schema"),
            declared_errors(metadata),
            told if told and isinstance(told, str) else languages.get(worker),
        ),
    )


async def call_remote(
    connection: Connection, function_id: str, data: str, timeout_seconds: float
) -> Wire:
    """See `Backend.call_remote`."""
    try:
        answer = await connection.call(function_id, json.loads(data), timeout_seconds)
    except CallError as error:
        return await _failed(connection, function_id, error, timeout_seconds)
    except LinkLostError as error:
        message = f"{error}; it may have completed"
        return encode_err(function_id, TaskError(task=function_id, reason="lost", message=message))
    return {"ok": json.dumps(answer, ensure_ascii=False, separators=(",", ":"))}


async def _failed(
    connection: Connection, function_id: str, error: CallError, timeout_seconds: float
) -> Wire:
    failure = failure_in(error.code, error.message)
    if failure is not None:
        known = await published(connection, function_id)
        declared = known is not None and failure[0] in known.published.errors
        return {"err": failure[0], "value": failure[1], "declared": declared}
    reason = _REASONS.get(error.code, "crashed")
    message = f"no answer within {timeout_seconds:g} s" if reason == "timeout" else str(error)
    return encode_err(function_id, TaskError(task=function_id, reason=reason, message=message))
