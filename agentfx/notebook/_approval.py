"""A held call as a form: one field an argument, made from the schema that the tool was frozen with.

The form is a convenience; what may run is decided by the schema, here and again in `approve`.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from agentfx.harness import argument_problems
from agentfx.notebook._log import is_plain, plain
from agentfx.notebook._tables import Row

Control: TypeAlias = Literal["text", "number", "integer", "boolean", "choice", "json"]

_CONTROLS: Mapping[str, Control] = {
    "string": "text", "number": "number", "integer": "integer", "boolean": "boolean",
}  # fmt: skip


def fields_of(tool: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[Row]:
    """The fields of a form, in the order of the schema; unknown arguments come last.

    Args:
        tool: As the session was opened with it.
        arguments: What the model asked for.
    """
    schema: Mapping[str, Any] = tool["spec"]["input_schema"]
    known: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    names = [*known, *(name for name in arguments if name not in known)]
    return [_field(name, known.get(name, {}), arguments, name in required) for name in names]


def _field(
    name: str, schema: Mapping[str, Any], arguments: Mapping[str, Any], required: bool
) -> Row:
    choices = schema.get("enum")
    control = _CONTROLS.get(str(schema.get("type")), "json")
    given = name in arguments
    value = arguments.get(name, schema.get("default"))
    if choices:
        control = "choice"
    elif control in ("text", "boolean") and not isinstance(value, str | bool | None):
        control = "json"  # the model did not keep to the schema: show what it said
    elif control == "text" and isinstance(value, str) and not is_plain(value):
        control = "json"  # where all can be seen that will be handed over
    row: Row = {
        "name": name, "control": control, "required": required, "given": given,
        "about": plain(str(schema.get("description", ""))), "value": _shown(value, control),
    }  # fmt: skip
    return {**row, "choices": [json.dumps(choice) for choice in choices]} if choices else row


def _shown(value: Any, control: Control) -> Any:
    """A value as its control holds it."""
    if control in ("text", "boolean"):
        return value
    if value is None and control != "json":
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if is_plain(text) else json.dumps(value)


def problems_of(tool: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by argument; under the empty name what is wrong with the whole."""
    names = {*tool["spec"]["input_schema"].get("properties", {}), *arguments}
    found: dict[str, str] = {}
    for line in argument_problems(tool, arguments):
        where, _, what = line.partition(": ")
        name = where.split(".")[0]
        text = what if where == name else line
        key = name if name in names else ""
        found[key] = f"{found[key]}; {text}" if key in found else (text if key else line)
    return found
