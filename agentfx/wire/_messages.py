"""The messages of the iii protocol, as values."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from agentfx.wire._json import Json


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Why a function has no result."""

    code: str
    message: str
    stacktrace: str | None = None


@dataclass(frozen=True, slots=True)
class Void:
    """Action of a call that wants no answer."""


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Action of a call that is to be made later, through a named queue."""

    queue: str


CallAction: TypeAlias = Void | Enqueue


@dataclass(frozen=True, slots=True)
class InvokeFunction:
    """A call; towards a worker it has no action or namespace, and an `invocation_id` always.

    Only calls of the engine's own process may go without one: SDKs then send no answer.
    """

    function_id: str
    data: Json
    invocation_id: str | None = None
    action: CallAction | None = None
    metadata: Json = None
    namespace: str | None = None
    traceparent: str | None = None
    baggage: str | None = None


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The answer to a call: `error`, or else `result`, where None means that there is none."""

    invocation_id: str
    function_id: str
    result: Json = None
    error: ErrorBody | None = None
    traceparent: str | None = None
    baggage: str | None = None


@dataclass(frozen=True, slots=True)
class RegisterFunction:
    """A worker offers a function."""

    id: str
    description: str | None = None
    request_format: Json = None
    response_format: Json = None
    metadata: Json = None


@dataclass(frozen=True, slots=True)
class UnregisterFunction:
    """A worker takes a function back."""

    id: str


@dataclass(frozen=True, slots=True)
class RegisterTriggerType:
    """A worker offers to watch for triggers of a type."""

    id: str
    description: str
    trigger_request_format: Json = None
    call_request_format: Json = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class UnregisterTriggerType:
    """A worker no longer watches for triggers of a type."""

    id: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class RegisterTrigger:
    """A function is to be called on some occasion; also sent on to the type's provider."""

    id: str
    trigger_type: str
    function_id: str
    config: Json
    metadata: Json = None
    namespace: str | None = None
    trigger_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class UnregisterTrigger:
    """The end of a trigger; also sent on to the type's provider, then with its type."""

    id: str
    trigger_type: str | None = None


@dataclass(frozen=True, slots=True)
class TriggerRegistrationResult:
    """A provider's verdict on a trigger; passed on to who made it only when it is an error."""

    id: str
    trigger_type: str
    function_id: str
    error: ErrorBody | None = None


@dataclass(frozen=True, slots=True)
class Reattach:
    """A worker is back and asks to have its previous connection ended."""

    previous_worker_id: str
    reattach_token: str | None = None


@dataclass(frozen=True, slots=True)
class RegisterService:
    """Sent by very old workers; has no effect."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A question whether the engine is there."""


@dataclass(frozen=True, slots=True)
class Pong:
    """It is."""


@dataclass(frozen=True, slots=True)
class WorkerRegistered:
    """The first message on a connection: the id it has in the engine."""

    worker_id: str
    reattach_token: str


@dataclass(frozen=True, slots=True)
class RegistrationRejected:
    """A name or a function id that another connection holds was refused.

    Attributes:
        code: `FUNCTION_CONFLICT` leaves the connection as it is, `WORKER_CONFLICT` ends it.
        owner_worker_id: The connection that holds it; empty for the engine itself.
    """

    FUNCTION_CONFLICT: ClassVar[str] = "FUNCTION_NAMESPACE_CONFLICT"
    WORKER_CONFLICT: ClassVar[str] = "WORKER_NAMESPACE_CONFLICT"

    code: str
    namespace: str
    owner_worker_id: str
    worker_name: str | None = None
    function_id: str | None = None


ToEngine: TypeAlias = (
    InvokeFunction
    | InvocationResult
    | RegisterFunction
    | UnregisterFunction
    | RegisterTriggerType
    | UnregisterTriggerType
    | RegisterTrigger
    | UnregisterTrigger
    | TriggerRegistrationResult
    | Reattach
    | RegisterService
    | Ping
    | Pong
)
"""What an engine receives."""

ToWorker: TypeAlias = (
    InvokeFunction
    | InvocationResult
    | RegisterTrigger
    | UnregisterTrigger
    | TriggerRegistrationResult
    | WorkerRegistered
    | RegistrationRejected
    | Pong
)
"""What an engine sends."""
