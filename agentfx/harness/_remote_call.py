"""Functions of other workers as tools: a worker of ours calls them, as a durable job."""

from typing import Any

from agentfx.algebra import Reason, TaskError, task
from agentfx.harness._turn import REMOTE_TASK
from agentfx.interpreters import ServiceError, asking


@task(REMOTE_TASK, timeout=3600)
async def call_function(
    function_id: str, arguments: dict[str, Any], timeout_seconds: float = 60.0
) -> Any:
    """Call a function of any worker by its id."""
    import asyncio

    try:
        async with asyncio.timeout(timeout_seconds):
            return await asking()(function_id, arguments)
    except TimeoutError:
        message = f"{function_id} gave no answer within {timeout_seconds:g} s"
        raise TaskError(task=function_id, reason="timeout", message=message) from None
    except ServiceError as error:
        reason: Reason = "no_worker" if error.code == "function_not_found" else "crashed"
        raise TaskError(task=function_id, reason=reason, message=str(error)) from None
