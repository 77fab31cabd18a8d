"""The iii wire protocol: message types and codec, without I/O."""

from agentfx.wire._decode import MAX_DEPTH as MAX_DEPTH
from agentfx.wire._decode import DecodeError as DecodeError
from agentfx.wire._decode import decode as decode
from agentfx.wire._encode import EncodeError as EncodeError
from agentfx.wire._encode import encode as encode
from agentfx.wire._failure import ERRORS as ERRORS
from agentfx.wire._failure import declared_errors as declared_errors
from agentfx.wire._failure import failure_in as failure_in
from agentfx.wire._json import NULL as NULL
from agentfx.wire._json import Json as Json
from agentfx.wire._json import JsonNull as JsonNull
from agentfx.wire._json import is_array as is_array
from agentfx.wire._json import is_object as is_object
from agentfx.wire._messages import CallAction as CallAction
from agentfx.wire._messages import Enqueue as Enqueue
from agentfx.wire._messages import ErrorBody as ErrorBody
from agentfx.wire._messages import InvocationResult as InvocationResult
from agentfx.wire._messages import InvokeFunction as InvokeFunction
from agentfx.wire._messages import Ping as Ping
from agentfx.wire._messages import Pong as Pong
from agentfx.wire._messages import Reattach as Reattach
from agentfx.wire._messages import RegisterFunction as RegisterFunction
from agentfx.wire._messages import RegisterService as RegisterService
from agentfx.wire._messages import RegisterTrigger as RegisterTrigger
from agentfx.wire._messages import RegisterTriggerType as RegisterTriggerType
from agentfx.wire._messages import RegistrationRejected as RegistrationRejected
from agentfx.wire._messages import ToEngine as ToEngine
from agentfx.wire._messages import ToWorker as ToWorker
from agentfx.wire._messages import TriggerRegistrationResult as TriggerRegistrationResult
from agentfx.wire._messages import UnregisterFunction as UnregisterFunction
from agentfx.wire._messages import UnregisterTrigger as UnregisterTrigger
from agentfx.wire._messages import UnregisterTriggerType as UnregisterTriggerType
from agentfx.wire._messages import Void as Void
from agentfx.wire._messages import WorkerRegistered as WorkerRegistered
from agentfx.wire._packed import packed as packed
from agentfx.wire._packed import unpacked as unpacked

ABSENT = ("function_not_found", "invocation_stopped")
"""Codes of calls that nobody answers: there is no such function, or its worker left meanwhile."""

MAX_FRAME = 16 << 20
"""Largest WebSocket frame in bytes, in both directions."""

MAX_MESSAGE = 64 << 20
"""Largest message in bytes, in both directions: a larger frame is cut into several."""
