"""What `state::update` accepts as a path and as a value to merge."""

from typing import TypeAlias

from agentfx.wire import Json, is_array, is_object

Path: TypeAlias = tuple[str, ...]
"""Literal segments; empty for the whole value."""

MAX_SEGMENTS = 32
MAX_SEGMENT_BYTES = 256
MAX_MERGE_KEYS = 1024
MAX_MERGE_DEPTH = 16
# JavaScript clients would take these for parts of the language.
_POLLUTED = frozenset({"__proto__", "constructor", "prototype"})


class RefusalError(Exception):
    """One operation of an update is not done.

    Attributes:
        code: Stable category.
        message: One line for a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def check_path(kind: str, path: Path) -> None:
    """Refuse a path that is too long, or leads where none should.

    Raises:
        RefusalError: It does.
    """
    if len(path) > MAX_SEGMENTS:
        raise RefusalError(f"{kind}.path.too_deep", f"more than {MAX_SEGMENTS} segments")
    for segment in path:
        if not segment:
            raise RefusalError(f"{kind}.path.empty_segment", "a segment is empty")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            text = f"a segment has more than {MAX_SEGMENT_BYTES} bytes"
            raise RefusalError(f"{kind}.path.segment_too_long", text)
        if segment in _POLLUTED:
            raise RefusalError(f"{kind}.path.proto_polluted", f"`{segment}` is not allowed")


def check_merge_value(value: Json) -> dict[str, Json]:
    """Refuse a value that cannot be merged.

    Raises:
        RefusalError: It is not an object, or too large a one.
    """
    if not is_object(value):
        raise RefusalError("merge.value.not_an_object", "the value to merge is not an object")
    if len(value) > MAX_MERGE_KEYS:
        raise RefusalError("merge.value.too_many_keys", f"more than {MAX_MERGE_KEYS} keys")
    if _deeper_than(MAX_MERGE_DEPTH, value):
        raise RefusalError("merge.value.too_deep", f"more than {MAX_MERGE_DEPTH} levels")
    for key in value:
        if key in _POLLUTED:
            raise RefusalError("merge.value.proto_polluted", f"`{key}` is not allowed")
    return value


def _deeper_than(limit: int, value: Json) -> bool:
    if not is_object(value) and not is_array(value):
        return False
    inner = value.values() if is_object(value) else value
    return limit == 0 or any(_deeper_than(limit - 1, item) for item in inner)
