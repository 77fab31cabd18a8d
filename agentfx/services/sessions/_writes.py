"""What clients and workers do to a session; each is one transaction."""

from collections.abc import Sequence
from dataclasses import replace

import orjson

from agentfx.jobs import Result
from agentfx.services._host import FunctionError
from agentfx.services.sessions._log import Log, sent
from agentfx.services.sessions._messages import Append, Cancel, Decide, NewEvent
from agentfx.wire import Json

ANSWER_EVENTS, ANSWER_BYTES = 1000, 1024 * 1024
OVERTAKEN = "A newer message overtook this call."


def send(log: Log, message: Append) -> Json:
    """Append messages of a client; under `preempt` they overtake the turn under way."""
    numbers = _again(log, message.events)
    if numbers is not None:
        return _answer(log, numbers)
    if log.row.policy == "preempt" and (log.row.wake is not None or log.open_calls):
        log.raise_epoch()
        log.close_open_calls(OVERTAKEN, "services", started_too=False)
    numbers = log.add(message.writer, message.events)
    if any(event.stimulus for event in message.events):
        log.row = replace(log.row, due_at=None)  # whoever asks again does not wait for a retry
    log.wake()
    return _answer(log, numbers)


def append(log: Log, message: Append) -> Json:
    """Append events and queue jobs, if the epoch is still this.

    Raises:
        FunctionError: `fenced`: the epoch is over, or the wake job is not the open one;
            `over_budget`; `key_conflict`; `too_large`.
    """
    numbers = _again(log, message.events)
    if numbers is not None:
        return _answer(log, numbers, message.after)
    _check_fence(log, message)
    _reserve(log, message)
    numbers = log.add(message.writer, message.events)
    log.start_calls(message.calls)
    if message.book is not None:
        log.t.sessions.book(log.row.purse, _attempt(log, message.book.attempt), message.book.amount)
    if message.due_in_seconds is not None:
        log.row = replace(log.row, due_at=log.now + message.due_in_seconds)
        log.after.due_at = log.row.due_at
    if message.wake is not None and message.ends_wake is not None:
        log.end_wake(message.writer, message.ends_wake)
    return _answer(log, numbers, message.after)


def _again(log: Log, events: Sequence[NewEvent]) -> list[int] | None:
    """The numbers of events that are all on record: the answer to a repeated append."""
    if not events or any(event.key is None for event in events):
        return None
    numbers = [log.known(event) for event in events]
    found = [number for number in numbers if number is not None]
    return found if len(found) == len(numbers) else None


def _check_fence(log: Log, message: Append) -> None:
    row = log.row
    if message.epoch is not None and message.epoch != row.epoch:
        raise FunctionError(
            "fenced", f"session {row.id} is in epoch {row.epoch}, this was epoch {message.epoch}"
        )
    if message.wake is not None and row.wake != message.wake:
        raise FunctionError("fenced", f"session {row.id} has gone on without this step")


def _reserve(log: Log, message: Append) -> None:
    if message.reserve is None:
        return
    budget, spent = log.row.budget, log.t.sessions.spent(log.row.purse)
    wanted = message.reserve.amount
    if budget is not None and spent.booked + spent.reserved + wanted > budget:
        raise FunctionError(
            "over_budget",
            f"{spent.booked:.4f} spent, {spent.reserved:.4f} reserved, {wanted:.4f} wanted, "
            f"of {budget:.4f}",
        )
    log.t.sessions.reserve(log.row.purse, _attempt(log, message.reserve.attempt), wanted)


def _attempt(log: Log, attempt: str) -> str:
    return f"{log.row.id}/{attempt}"


def decide(log: Log, message: Decide) -> Json:
    """Approve or reject a held call, once.

    Raises:
        FunctionError: `unknown_call`.
    """
    call = log.t.sessions.call(log.row.no, message.call)
    if call is None:
        raise FunctionError("unknown_call", f"session {log.row.id} has no call {message.call}")
    if call.state != "held":
        return {"decided": False, "state": call.state}
    body: dict[str, Json] = {"call": call.call, "by": message.writer}
    if message.approve:
        body.update(edited=message.edited, arguments=message.arguments)
        log.add(message.writer, [NewEvent("approved", body, f"decision/{call.call}")])
        asked: dict[str, Json] = orjson.loads(call.request)
        request: dict[str, Json] = asked["request"] or {}
        limit: float | None = request.get("limit_seconds")
        deadline = None if limit is None else log.now + limit
        log.queue_call(replace(call, deadline=deadline), message.input)
    else:
        body.update(reason=message.reason)
        log.add(message.writer, [NewEvent("rejected", body, f"decision/{call.call}")])
        reason = f" {message.reason}" if message.reason else ""
        result = Result(f"This call was rejected; it did not run.{reason}", is_error=True)
        log.close_call(call, result, message.writer, "rejection")
        log.wake()
    return {"decided": True, "state": "queued" if message.approve else "closed"}


def cancel(log: Log, message: Cancel) -> Json:
    """End what a session does: the turn is refused, calls get results, nobody is woken."""
    calls = log.open_calls
    if log.row.wake is None and not calls and not log.wants_step:
        return {"cancelled": False}
    log.raise_epoch()
    log.close_open_calls("The user cancelled.", "services", started_too=True)
    stimulus, _ = log.t.sessions.watermarks(log.row.no)
    body = {"reason": message.reason, "closed": [call.call for call in calls]}
    log.add(message.writer, [NewEvent("cancelled", body, reacting_to=stimulus)])
    log.row = replace(log.row, due_at=None)
    return {"cancelled": True, "closed": len(calls)}


def _answer(log: Log, numbers: Sequence[int], after: int | None = None) -> Json:
    answer: dict[str, Json] = {"seqs": list(numbers), "epoch": log.row.epoch, "head": log.row.head}
    if after is not None:
        rows = log.t.sessions.events(log.row.no, after, ANSWER_EVENTS, ANSWER_BYTES)
        answer["events"] = [sent(row) for row in rows]
    return answer
