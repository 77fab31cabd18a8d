"""Where side effects land: iii engines."""

from agentfx.backends._connection import LOST_SECONDS as LOST_SECONDS
from agentfx.backends._connection import CallError as CallError
from agentfx.backends._connection import Connection as Connection
from agentfx.backends._connection import ConnectionFailedError as ConnectionFailedError
from agentfx.backends._connection import EngineAwayError as EngineAwayError
from agentfx.backends._connection import LinkLostError as LinkLostError
from agentfx.backends._connection import preload as preload
from agentfx.backends._iii import IiiBackend as IiiBackend
from agentfx.backends._remote import Registered as Registered
from agentfx.backends._remote import published as published
from agentfx.backends._remote import registered as registered
