"""The convention by which declared failures cross between languages.

The error code is the failure's name, the message its fields as a JSON object. The published iii
SDKs give every handler's error the code `invocation_failed`; there the message is
`<name>: <JSON object>`. A worker lists its failures in the function's metadata, under `errors`:
the JSON Schema of each one's fields, by name.
"""

import re

import orjson

from agentfx.wire._json import Json, is_object

ERRORS = "errors"
"""Key of the metadata that lists declared failures."""
_ANY_HANDLER = "invocation_failed"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def failure_in(code: str, message: str) -> tuple[str, str] | None:
    """Name and fields, as JSON text, of the failure that an error body holds, if it is one."""
    if code == _ANY_HANDLER:
        code, colon, message = message.partition(": ")
        if not colon:
            return None
    if not _NAME.fullmatch(code):
        return None
    try:
        fields = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return (code, message) if is_object(fields) else None


def declared_errors(metadata: Json) -> dict[str, Json]:
    """The failures that a function's metadata lists: JSON Schemas by name."""
    listed = metadata.get(ERRORS) if is_object(metadata) else None
    if not is_object(listed):
        return {}
    return {name: schema for name, schema in listed.items() if _NAME.fullmatch(name)}
