"""Sessions whose steps are jobs: when one is due, and what the end of a tool's job means.

Pure, and shared by the services that keep the logs and the workers that make the steps.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

CallState: TypeAlias = Literal["held", "queued", "started", "closed"]
Results: TypeAlias = Literal["all", "each"]
RESULT_CHARACTERS = 64 * 1024
"""A longer result is shown to the model cut short; the whole of it is kept beside the log."""

DID_NOT_START = "This call did not start: nothing was done."
MAY_HAVE_COMPLETED = (
    "This call was started, and no result came back. It may have completed; it was not run again."
)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What decides whether a session needs a step.

    Attributes:
        stimulus: Number of the last event that somebody has to react to.
        message: Number of the last such event that is no result of a tool.
        reacted: The highest one that a turn reacted to.
        open_calls: Tool calls without a result; 0 where a message is new, which waits for none.
    """

    stimulus: int
    message: int
    reacted: int
    open_calls: int


def needs_step(pulse: Pulse, results: Results) -> bool:
    """Whether something is new, and there is no reason to wait for more.

    A message is reacted to at once. Results wait for those that are still missing, since each
    step costs a model call; unless the session wants each by itself.
    """
    if pulse.message > pulse.reacted:
        return True
    return pulse.stimulus > pulse.reacted and (results == "each" or not pulse.open_calls)


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool's job came to, as the model reads it.

    Attributes:
        content: Text.
        is_error: Whether the call failed.
        rest: The whole text, where `content` had to be cut short.
    """

    content: str
    is_error: bool
    rest: str | None = None


def result_of(outcome: str) -> Result:
    """The result that an outcome of a job means, as `encode_ok` or `encode_err` wrote it."""
    wire: dict[str, Any] = json.loads(outcome)
    if "ok" in wire:
        return _cut(_plain(wire["ok"]), is_error=False)
    value: dict[str, Any] = json.loads(wire["value"])
    if wire["err"] == "agentfx:TaskError":
        return _cut(_task_error(value), is_error=True)
    name = str(wire["err"]).rpartition(":")[2].rpartition(".")[2]
    return _cut(f"{name}: {json.dumps(value, ensure_ascii=False)}", is_error=True)


def ghost(*, started: bool, why: str) -> Result:
    """The result of a call that has none of its own; whether it may have had effects is said."""
    return Result(f"{why} {MAY_HAVE_COMPLETED if started else DID_NOT_START}", is_error=True)


def _task_error(value: dict[str, Any]) -> str:
    if value["reason"] in ("lost", "poison"):
        return f"Its worker was lost. {MAY_HAVE_COMPLETED}"
    if value["reason"] == "timeout":
        return f"It ran into its time limit: {value['message']}. It may have had effects."
    return f"{value['reason']}: {value['message']}"


def _plain(text: str) -> str:
    """JSON as a model reads it: a string without its quotes."""
    value = json.loads(text)
    return value if isinstance(value, str) else text


def _cut(text: str, *, is_error: bool) -> Result:
    if len(text) <= RESULT_CHARACTERS:
        return Result(text, is_error)
    note = f"\n[cut short: {len(text):,} characters in all]"
    return Result(text[:RESULT_CHARACTERS] + note, is_error, text)
