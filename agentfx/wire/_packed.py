"""Lists that cross the wire as one JSON text.

SDKs look at every value of a payload, one by one and in Python; at a text they look once.
"""

from collections.abc import Sequence

import orjson

from agentfx.wire._json import Json


def packed(items: Sequence[Json]) -> str:
    """A list as JSON text."""
    return orjson.dumps(items).decode()


def unpacked(message: dict[str, Json], key: str) -> list[Json]:
    """The list that a message has as text under a key; without the key an empty one."""
    text = message.get(key)
    found: list[Json] = [] if text is None else orjson.loads(text)
    return found
