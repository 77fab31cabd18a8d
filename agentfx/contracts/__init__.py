"""Functions of other workers: remote calls, contracts, and types made of them."""

from agentfx.contracts._compare import Change as Change
from agentfx.contracts._compare import compare as compare
from agentfx.contracts._module import GenError as GenError
from agentfx.contracts._module import write_module as write_module
from agentfx.contracts._published import Known as Known
from agentfx.contracts._published import published_in as published_in
from agentfx.contracts._published import read_registry as read_registry
from agentfx.contracts._remote import remote as remote
from agentfx.contracts._typed import TypedContract as TypedContract
from agentfx.contracts._typed import typed_remote as typed_remote
from agentfx.contracts._types import Boolean as Boolean
from agentfx.contracts._types import Date as Date
from agentfx.contracts._types import DateTime as DateTime
from agentfx.contracts._types import ExactlyOne as ExactlyOne
from agentfx.contracts._types import Given as Given
from agentfx.contracts._types import Integer as Integer
from agentfx.contracts._types import Model as Model
from agentfx.contracts._types import Nothing as Nothing
from agentfx.contracts._types import Number as Number
from agentfx.contracts._types import Time as Time
from agentfx.contracts._types import Unique as Unique
from agentfx.contracts._types import Uuid as Uuid
from agentfx.contracts._types import multiple_of as multiple_of
from agentfx.contracts._types import one_of_values as one_of_values
from agentfx.contracts._untyped import RemoteFailure as RemoteFailure
