"""What the engine knows: connections, functions, triggers and calls under way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from agentfx.engine._actions import Actions
from agentfx.services._host import DEFAULT_NAMESPACE
from agentfx.wire import (
    Json,
    RegisterFunction,
    RegisterTrigger,
    RegisterTriggerType,
    UnregisterFunction,
    UnregisterTrigger,
    UnregisterTriggerType,
)

Registration: TypeAlias = (
    RegisterFunction
    | UnregisterFunction
    | RegisterTriggerType
    | UnregisterTriggerType
    | RegisterTrigger
    | UnregisterTrigger
)
"""What a connection says about itself, and what needs its namespace to be known."""

Key: TypeAlias = tuple[str, str]
"""Namespace and id of a function, a trigger type or a named worker."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a built-in, and what is to be done first.

    Attributes:
        deferred: The answer comes later, through `answered`, or never.
    """

    result: Json = None
    actions: Actions = ()
    deferred: bool = False


Builtin: TypeAlias = "Callable[[State, str, Connection | None, Json], Reply]"
"""Answers one call, given its id, its caller and its data.

It raises `FunctionError` to answer with an error body.
"""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker said of itself; None where it did not say."""

    description: str | None = None
    version: str | None = None
    runtime: str | None = None
    os: str | None = None
    pid: int | None = None
    isolation: str | None = None


@dataclass(slots=True)
class Connection:
    """One connected worker.

    Attributes:
        token: Proves that a later connection belongs to the same worker.
        settled: Its namespace is known; registrations that came before that wait in `held`.
        calls: Ids of the calls it makes and of those it runs.
        serving: How many of its calls run in this process.
    """

    id: str
    token: str = field(repr=False)
    ip_address: str | None
    connected_at_ms: int
    namespace: str = DEFAULT_NAMESPACE
    settled: bool = False
    name: str | None = None
    info: WorkerInfo = WorkerInfo()
    held: list[Registration] = field(default_factory=list[Registration])
    functions: dict[Key, None] = field(default_factory=dict[Key, None])
    trigger_types: dict[Key, None] = field(default_factory=dict[Key, None])
    triggers: dict[str, None] = field(default_factory=dict[str, None])
    calls: set[str] = field(default_factory=set[str])
    serving: int = 0


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function.

    Attributes:
        owner: The connection that runs it, None if it runs in this process.
        builtin: The engine's own answer, for `engine::*`.
    """

    namespace: str
    id: str
    owner: str | None
    description: str | None = None
    request_format: Json = None
    response_format: Json = None
    metadata: Json = None
    builtin: "Builtin | None" = None


@dataclass(frozen=True, slots=True)
class TriggerType:
    """A kind of occasion, and who watches for it: a connection, or None for this process."""

    namespace: str
    id: str
    owner: str | None
    description: str
    trigger_request_format: Json = None
    call_request_format: Json = None


@dataclass(slots=True)
class Trigger:
    """A function to be called on some occasion.

    Attributes:
        owner: The connection it ends with; None if it was made by a call.
        provider: The trigger type that watches for it; None while there is none.
        awaiting: The call to answer once the provider has accepted it.
    """

    id: str
    type: str
    function_id: str
    namespace: str
    config: Json
    metadata: Json
    wanted_namespace: str | None
    owner: str | None
    provider: Key | None = None
    awaiting: str | None = None


@dataclass(slots=True)
class Call:
    """A call under way.

    Attributes:
        id: As its executor knows it.
        caller: The connection that wants the answer, None for this process.
        answer_id: As its caller knows it; None if nobody wants an answer.
        executor: The connection that runs it, None for this process.
        receipt: What a call that goes to a queue is answered with.
    """

    id: str
    function_id: str
    caller: str | None
    answer_id: str | None
    executor: str | None
    receipt: str | None = None


@dataclass(slots=True)
class State:
    """Everything the routing decides on; changed only by the functions of this package.

    Attributes:
        now_ms: Milliseconds since the epoch.
        new_id: A fresh UUID.
        functions_changed: A `functions-available` event is due.
    """

    now_ms: Callable[[], int]
    new_id: Callable[[], str]
    connections: dict[str, Connection] = field(default_factory=dict[str, Connection])
    names: dict[Key, str] = field(default_factory=dict[Key, str])
    functions: dict[Key, Function] = field(default_factory=dict[Key, Function])
    trigger_types: dict[Key, TriggerType] = field(default_factory=dict[Key, TriggerType])
    triggers: dict[str, Trigger] = field(default_factory=dict[str, Trigger])
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    functions_changed: bool = False
    started_ms: int = 0
