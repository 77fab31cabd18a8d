"""Functions of other workers without generated types: `remote("pymath::add")(a=2, b=3)`."""

from collections.abc import Callable
from typing import Any, Literal, overload

from agentfx.algebra import REMOTE_TIMEOUT_SECONDS, Effect, Replayable
from agentfx.contracts._untyped import untyped_remote


@overload
def remote(
    function_id: str, *, replayable: Literal[False] = ..., timeout: float = ...
) -> Callable[..., Effect[Any, Any]]: ...
@overload
def remote(
    function_id: str, *, replayable: Literal[True], timeout: float = ...
) -> Callable[..., Replayable[Any, Any]]: ...
def remote(
    function_id: str, *, replayable: bool = False, timeout: float = REMOTE_TIMEOUT_SECONDS
) -> Any:
    """A function of any worker, in any language, as an effect of its arguments.

    What it takes and gives is checked against the contract that its worker publishes, on this
    side as well. Values are plain JSON values; declared failures arrive as `RemoteFailure`.
    `agentfx gen` writes the same with types.

    Args:
        function_id: As the registry has it.
        replayable: Make each call a durable job, which may run again after a crash. Without it
            a call is a plain one, made once.
        timeout: Seconds after which a call ends in `TaskError("timeout")`.

    Example:
        remote("pymath::add")(a=2, b=3)
        remote("pymath::add", replayable=True)(a=2, b=3).retry(3)
    """
    return untyped_remote(function_id, timeout, replayable=replayable)
