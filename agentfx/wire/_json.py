"""JSON as it crosses the wire."""

from typing import Any, TypeAlias

# A recursive alias would refuse `dict[str, str]` where JSON is wanted, since dicts are invariant.
Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, a list of them or a dict from str to them."""
