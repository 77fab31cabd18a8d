"""From a model's answer to events and tool calls; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentfx.harness._model import Reply
from agentfx.harness._policy import Limits, on_stop
from agentfx.harness._request import Block, canonical
from agentfx.harness._tool import named
from agentfx.harness._transcript import Transcript, same_call


@dataclass(slots=True)
class Turn:
    """What an answer comes to.

    Attributes:
        events: For the log, as the services take them.
        calls: To be queued in the same transaction.
        cut: The provider says that the request was too long.
    """

    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    cut: bool = False


def turn_of(reply: Reply, state: Transcript, upto: int, attempt: str, limits: Limits) -> Turn:
    """What to append for an answer.

    Args:
        reply: The answer.
        state: The transcript, the model call's event included.
        upto: Up to which stimulus the request went.
        attempt: Names this model call in the session; its calls are named after it.
        limits: Of the agent.
    """
    action = on_stop(reply.stop_reason)
    if action == "cut_window":
        return Turn(cut=True)
    turn = Turn()
    if action == "refused":
        refused = {"details": reply.details, "content": list(reply.content)}
        turn.events.append(
            {"kind": "refused", "body": refused, "reacting_to": upto, "key": f"turn/{attempt}"}
        )
        return turn
    calls = [
        {
            "call": f"{attempt}.{number}", "id": block["id"], "name": block["name"],
            "input": block["input"],
        }
        for number, block in enumerate(b for b in reply.content if b["type"] == "tool_use")
    ]  # fmt: skip
    body = {
        "content": list(reply.content),
        "stop_reason": reply.stop_reason,
        "calls": calls,
        "attempt": attempt,
        "message_id": reply.message_id,
    }
    resumed = action == "resume" and not calls
    turn.events.append(
        {
            "kind": "assistant", "body": body, "key": f"turn/{attempt}",
            "reacting_to": None if resumed else upto,
        }
    )  # fmt: skip
    for call in calls:
        _run_or_answer(turn, call, reply, state, limits, runs=action == "run_tools")
    return turn


def _run_or_answer(
    turn: Turn,
    call: Mapping[str, Any],
    reply: Reply,
    state: Transcript,
    limits: Limits,
    *,
    runs: bool,
) -> None:
    """Queue a call, or answer it here if it cannot run."""
    tools = state.agent.get("tools", ())
    failures = state.failed.get(same_call(call["name"], call["input"]), 0)
    if not runs:
        why = f"The turn ended with {reply.stop_reason}: this call did not start."
    elif call["id"] in reply.bad_arguments:
        why = "The arguments were not a JSON object: this call did not start."
    elif (tool := named(tools, call["name"])) is None:
        there = ", ".join(tool["name"] for tool in tools) or "none"
        why = f"There is no tool {call['name']}; there are: {there}."
    elif failures >= limits.failing_calls:
        why = (
            f"The same call has failed {failures} times; it was not made again. Change the "
            "arguments, or go on without it."
        )
    else:
        turn.calls.append(_job(call, tool))
        return
    turn.events.append(_answered(call, why))


def _answered(call: Mapping[str, Any], why: str) -> dict[str, Any]:
    body = {
        "call": call["call"], "id": call["id"], "name": call["name"], "input": call["input"],
        "content": why, "is_error": True, "by": "harness",
    }  # fmt: skip
    return {
        "kind": "tool_result", "body": body, "key": f"result/{call['call']}", "stimulus": True,
    }  # fmt: skip


def _job(call: Mapping[str, Any], tool: Mapping[str, Any]) -> dict[str, Any]:
    limit = tool["approval_seconds"] if tool["approval"] else tool["limit_seconds"]
    request = {
        "id": call["id"], "name": call["name"], "input": call["input"],
        "limit_seconds": tool["limit_seconds"],
    }  # fmt: skip
    return {
        "call": call["call"],
        "task": tool["id"],
        "code": tool["code"],
        "input": canonical(call["input"]),
        "request": request,
        "at_most_once": tool["at_most_once"],
        "timeout_seconds": tool["timeout_seconds"],
        "held": tool["approval"],
        "limit_seconds": limit,
    }


def text_of(content: Iterable[Block]) -> str:
    """The text of an answer, without thinking and calls."""
    return "".join(str(b["text"]) for b in content if b["type"] == "text")
