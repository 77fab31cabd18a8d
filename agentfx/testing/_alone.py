"""The part of a backend that has no other workers: functions that nobody serves, state of its own.

Mix it into a backend of yours until it has these.
"""

import json
from collections.abc import Sequence
from typing import Any

from agentfx.algebra import Published, TaskError, encode_err
from agentfx.interpreters import NoWorkerError
from agentfx.services._input import Input
from agentfx.services.state._parse import operations as read_operations
from agentfx.services.state._update import MISSING, update


class Alone:
    """Half of `Backend`: what runs that use only their own tasks need of other workers."""

    def __init__(self) -> None:
        self._state: dict[tuple[str, str], Any] = {}

    async def update_state(
        self, scope: str, key: str, operations: Sequence[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """See `Backend.update_state`."""
        before = self._state.get((scope, key))
        wanted = read_operations(Input("state::update", {"ops": list(operations)}))
        self._state[scope, key] = update(MISSING if before is None else before, wanted).value
        return before

    async def delete_state(self, scope: str, key: str) -> None:
        """See `Backend.delete_state`."""
        self._state.pop((scope, key), None)

    async def check_functions(self, functions: Sequence[str]) -> None:
        """See `Backend.check_functions`."""
        if functions:
            raise NoWorkerError(f"nobody serves {', '.join(functions)} here")

    async def published(self, function_id: str) -> Published | None:
        """See `Backend.published`."""
        return None

    async def call_remote(self, function_id: str, data: str, timeout_seconds: float) -> str:
        """See `Backend.call_remote`."""
        error = TaskError(task=function_id, reason="no_worker", message="nobody serves it")
        return json.dumps(encode_err(function_id, error))
