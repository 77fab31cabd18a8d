"""What the walk and its interpreters know of each other."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from agentfx._clock import Clock
from agentfx.algebra import (
    ActionCall,
    Attempt,
    Exit,
    ForEach,
    RemoteCall,
    RemoteJob,
    TaskCall,
    Use,
)
from agentfx.interpreters._scope import Step
from agentfx.interpreters._tape import Tape

AnyExit: TypeAlias = Exit[Any, Any]
Child: TypeAlias = Callable[[], Awaitable[AnyExit]]
Call: TypeAlias = TaskCall[Any, Any, Any] | ActionCall[Any, Any, Any]
Item: TypeAlias = Callable[[int], Awaitable[AnyExit]]
Remote: TypeAlias = RemoteCall[Any, Any, Any] | RemoteJob[Any, Any, Any]


class Leaves(Protocol):
    """What an interpreter does at the leaves of a program."""

    run_id: str

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def tape(self) -> Tape:
        """For what streams and fences note."""
        ...

    async def call(self, step: Step, call: Call) -> AnyExit:
        """Run a task or an action."""
        ...

    async def direct(self, step: Step, call: TaskCall[Any, Any, Any]) -> AnyExit:
        """Run a task by a plain call."""
        ...

    async def remote(self, step: Step, call: Remote) -> AnyExit:
        """Run a function of another worker."""
        ...

    async def compute(
        self, step: Step, node: Use[Any, Any, Any] | Attempt[Any, Any, Any], work: Child
    ) -> AnyExit:
        """Run work in the driver and keep its value."""
        ...

    async def wait(self, step: Step, seconds: float) -> None:
        """Sleep, or wait before another attempt of `step`."""
        ...

    async def limit(self, step: Step, seconds: float, child: Child) -> AnyExit:
        """Run a child that is cancelled after some seconds."""
        ...

    async def fan_out(self, step: Step, node: ForEach[Any, Any, Any], item: Item) -> AnyExit:
        """Run every item of a fan-out; `item` walks the one at an index."""
        ...

    def opened(self, step: Step) -> None:
        """Take note that a named group of steps begins."""
        ...
