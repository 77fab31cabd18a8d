"""Tools: tasks, actions and functions of other workers, as a model may call them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from agentfx.algebra import AnyTask, is_task

NAME_LENGTH = 64
DEFAULT_LIMIT_SECONDS = 900.0
APPROVAL_SECONDS = 7 * 86_400.0
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Remote:
    """A function of another worker, in any language.

    Attributes:
        id: Such as `pymath::add`.
        request_schema: JSON Schema of its input, an object.
        description: What it does, for the model.
        repeatable: It may be called again after a lost worker.
        timeout_seconds: It ends in an error after this time.
    """

    id: str
    request_schema: Mapping[str, Any]
    description: str = ""
    repeatable: bool = False
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with what the agent says about its use.

    Attributes:
        of: What runs.
        approval: Whether somebody has to approve each call.
        limit_seconds: A call gets a result after this time, whatever happens.
        description: For the model, instead of the first paragraph of the function's docstring.
    """

    of: AnyTask | Remote
    approval: bool = False
    limit_seconds: float = DEFAULT_LIMIT_SECONDS
    approval_seconds: float = APPROVAL_SECONDS
    description: str | None = None


AnyTool: TypeAlias = AnyTask | Remote | Tool


def approved(tool: AnyTool, *, limit_seconds: float = APPROVAL_SECONDS) -> Tool:
    """The same tool, but each call waits until somebody approves it.

    Args:
        tool: What runs.
        limit_seconds: Without a decision for so long, the call ends in an error.
    """
    return replace(as_tool(tool), approval=True, approval_seconds=limit_seconds)


def as_tool(tool: AnyTool) -> Tool:
    """Whatever was given as a tool, as one.

    Raises:
        TypeError: It is none.
    """
    if isinstance(tool, Tool):
        return tool
    if is_task(tool) or isinstance(tool, Remote):
        return Tool(tool)
    raise TypeError(f"a tool is a task, an action or a remote function, not {tool!r}")


def described(tools: Iterable[AnyTool]) -> list[dict[str, Any]]:
    """What the log says of an agent's tools: frozen when a session begins.

    Each has `name` and `spec` as the model knows it, and `task` and options for its jobs; the
    name leads back to the task through this list, so the way back is never guessed.
    """
    names: set[str] = set()
    found: list[dict[str, Any]] = []
    for given in tools:
        tool = as_tool(given)
        name = _name_for(tool.of.id, names)
        names.add(name)
        found.append(
            {
                "name": name,
                "id": tool.of.id,
                "approval": tool.approval,
                "limit_seconds": tool.limit_seconds,
                "approval_seconds": tool.approval_seconds,
                **_how_to_run(tool.of),
                "spec": {
                    "name": name,
                    "description": _description(tool),
                    "input_schema": _schema(tool.of),
                },
            }
        )
    return found


def named(tools: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The tool that a model calls by a name."""
    return next((tool for tool in tools if tool["name"] == name), None)


def _name_for(function_id: str, taken: set[str]) -> str:
    name = _NOT_ALLOWED.sub("_", function_id.replace("::", "__"))[:NAME_LENGTH] or "tool"
    unique, count = name, 1
    while unique in taken:
        count += 1
        unique = f"{name[: NAME_LENGTH - len(str(count)) - 1]}_{count}"
    return unique


def _how_to_run(tool: AnyTask | Remote) -> dict[str, Any]:
    if isinstance(tool, Remote):
        return {
            "remote": True, "at_most_once": not tool.repeatable,
            "timeout_seconds": tool.timeout_seconds,
        }  # fmt: skip
    return {
        "remote": False, "at_most_once": tool.at_most_once,
        "timeout_seconds": tool.options.timeout_seconds,
    }  # fmt: skip


def _description(tool: Tool) -> str:
    if tool.description is not None:
        return tool.description
    if isinstance(tool.of, Remote):
        return tool.of.description
    text = (tool.of.function.__doc__ or "").strip()
    return text.partition("\n\n")[0].replace("\n    ", " ")


def _schema(tool: AnyTask | Remote) -> Mapping[str, Any]:
    if isinstance(tool, Remote):
        return tool.request_schema
    return tool.contract.request_schema
