"""Functions of other workers in memory: stand-ins, held to the contract."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from agentfx._errors import AgentfxError
from agentfx.algebra import (
    ContractViolation,
    Err,
    Ok,
    Published,
    RemoteContract,
    TaskError,
    decode_remote,
    encode_remote,
)
from agentfx.interpreters._execute import in_thread
from agentfx.interpreters._walk import AnyExit, Remote

Stubs: TypeAlias = Mapping[str, Callable[..., Any]]
"""Stand-ins by function id; called as the function would be, sync or async."""


class NoStubError(AgentfxError):
    """A program in memory calls a function that another worker has."""

    def __init__(self, function_id: str) -> None:
        super().__init__(function_id)
        self.function_id = function_id

    def __str__(self) -> str:
        return (
            f"{self.function_id} is a function of another worker, and run_memory has none: give a "
            f'stand-in, stubs={{"{self.function_id}": ...}}, or use run_dist'
        )


async def run_stub(stubs: Stubs, call: Remote) -> AnyExit:
    """Call the stand-in of a function.

    Raises:
        NoStubError: There is none.
    """
    function = call.function
    stub = stubs.get(function.id)
    if stub is None:
        raise NoStubError(function.id)
    contract = function.known_by(Published())
    try:
        args, kwargs = contract.decode_input(contract.encode_input(call.args, call.kwargs))
        wire = await _answer(stub, args, kwargs, function.id, contract)
    except (ContractViolation, TaskError) as error:
        return Err(error)
    exit_ = decode_remote(wire, function.id, contract)
    return exit_ if isinstance(exit_, Ok) else Err(exit_.error)


async def _answer(
    stub: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    function_id: str,
    contract: RemoteContract,
) -> dict[str, Any]:
    try:
        if inspect.iscoroutinefunction(stub):
            value = await stub(*args, **kwargs)
        else:
            value = await in_thread(lambda: stub(*args, **kwargs))
    except (ContractViolation, TaskError):
        raise
    except Exception as error:
        return encode_remote(function_id, contract, None, error)
    return encode_remote(function_id, contract, value, None)
