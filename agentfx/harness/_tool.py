"""Tools: tasks, actions and functions of other workers, as a model may call them."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from agentfx.algebra import AnyEffect, AnyTask, Published, RemoteFunction, is_task
from agentfx.contracts._accept import problems
from agentfx.contracts._read import read_schema
from agentfx.jobs import FOREIGN

NAME_LENGTH = 64
DEFAULT_LIMIT_SECONDS = 900.0
APPROVAL_SECONDS = 7 * 86_400.0
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with what the agent says about its use.

    Attributes:
        of: What runs.
        approval: Whether somebody has to approve each call.
        limit_seconds: A call gets a result after this time, whatever happens.
        description: For the model, instead of the first paragraph of the function's docstring.
    """

    of: Callable[..., AnyEffect]
    approval: bool = False
    limit_seconds: float = DEFAULT_LIMIT_SECONDS
    approval_seconds: float = APPROVAL_SECONDS
    description: str | None = None

    @property
    def function(self) -> AnyTask | RemoteFunction:
        """What runs, checked.

        Raises:
            TypeError: It is neither a task, nor an action, nor a remote function.
        """
        if is_task(self.of) or isinstance(self.of, RemoteFunction):
            return self.of
        raise TypeError(f"a tool is a task, an action or a remote function, not {self.of!r}")


AnyTool: TypeAlias = Callable[..., AnyEffect] | Tool


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
    made = tool if isinstance(tool, Tool) else Tool(tool)
    _ = made.function
    return made


def described(tools: Iterable[AnyTool], published: Mapping[str, Published]) -> list[dict[str, Any]]:
    """What the log says of an agent's tools: frozen when a session begins.

    Each has `name` and `spec` as the model knows it, and `id` and options for its jobs; the name
    leads back to the id through this list, so the way back is never guessed.

    Args:
        tools: As the agent was given them.
        published: What the workers of remote functions publish, by id.
    """
    names: set[str] = set()
    found: list[dict[str, Any]] = []
    for tool in map(as_tool, tools):
        function = tool.function
        name = _name_for(function.id, names)
        names.add(name)
        found.append(
            {
                "name": name,
                "id": function.id,
                "approval": tool.approval,
                "limit_seconds": tool.limit_seconds,
                "approval_seconds": tool.approval_seconds,
                **_how_to_run(function),
                "spec": {
                    "name": name,
                    "description": _description(tool),
                    "input_schema": _schema(function, published),
                },
            }
        )
    return found


def remote_ids(tools: Iterable[AnyTool]) -> list[str]:
    """The functions of other workers among some tools."""
    functions = [as_tool(tool).function for tool in tools]
    return [function.id for function in functions if isinstance(function, RemoteFunction)]


def named(tools: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The tool that a model calls by a name."""
    return next((tool for tool in tools if tool["name"] == name), None)


def argument_problems(tool: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str]:
    """What is wrong with arguments for a tool, one line each; empty if its schema allows them."""
    shapes = read_schema(tool["spec"]["input_schema"], "input")
    return [
        f"{'.'.join(map(str, where)) or 'input'}: {message}"
        for _, where, message in problems(shapes, dict(arguments))
    ]


def _name_for(function_id: str, taken: set[str]) -> str:
    name = _NOT_ALLOWED.sub("_", function_id.replace("::", "__"))[:NAME_LENGTH] or "tool"
    unique, count = name, 1
    while unique in taken:
        count += 1
        unique = f"{name[: NAME_LENGTH - len(str(count)) - 1]}_{count}"
    return unique


def _how_to_run(tool: AnyTask | RemoteFunction) -> dict[str, Any]:
    if isinstance(tool, RemoteFunction):
        # Nobody knows whether it may be called twice, unless it was said.
        return {
            "code": FOREIGN, "at_most_once": not tool.replayable,
            "timeout_seconds": tool.timeout_seconds,
        }  # fmt: skip
    return {
        "code": None, "at_most_once": tool.at_most_once,
        "timeout_seconds": tool.options.timeout_seconds,
    }  # fmt: skip


def _description(tool: Tool) -> str:
    if tool.description is not None:
        return tool.description
    function = tool.function
    if isinstance(function, RemoteFunction):
        return f"The function {function.id} of another worker."
    text = inspect.cleandoc(function.function.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split())


def _schema(tool: AnyTask | RemoteFunction, published: Mapping[str, Published]) -> Any:
    if not isinstance(tool, RemoteFunction):
        return tool.contract.request_schema
    known = published.get(tool.id)
    schema: Any = known.request if known is not None else None
    return schema if isinstance(schema, dict) else {"type": "object"}  # pyright: ignore[reportUnknownVariableType]
