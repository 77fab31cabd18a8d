"""Pickling of functions by value, for processes of our own on this machine."""

from typing import Any


def dumps(value: Any) -> bytes:
    """Pickle a value; functions and classes of `__main__` go along whole."""
    import cloudpickle  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]

    payload: bytes = cloudpickle.dumps(value)  # pyright: ignore[reportUnknownMemberType]
    return payload
