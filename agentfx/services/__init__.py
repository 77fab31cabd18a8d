"""The durable part: state, queues and dispatch, on one store, hosted by any iii engine."""

from agentfx.services._host import DEFAULT_NAMESPACE as DEFAULT_NAMESPACE
from agentfx.services._host import Binding as Binding
from agentfx.services._host import FunctionError as FunctionError
from agentfx.services._host import Handler as Handler
from agentfx.services._host import Host as Host
from agentfx.services._host import Trace as Trace
from agentfx.services._host import TriggerProvider as TriggerProvider
from agentfx.services._host import WorkerChange as WorkerChange
from agentfx.services._run_rows import RosterRow as RosterRow
from agentfx.services._sqlite import SqliteStore as SqliteStore
from agentfx.services._store import StorageFullError as StorageFullError
from agentfx.services._store import Store as Store
from agentfx.services._store import StoreError as StoreError
from agentfx.services._store import StoreLockedError as StoreLockedError
from agentfx.services._store import StoreTooNewError as StoreTooNewError
from agentfx.services.dispatch import DispatchService as DispatchService
from agentfx.services.queue import QueueService as QueueService
from agentfx.services.queue import QueueSettings as QueueSettings
from agentfx.services.sessions import SessionService as SessionService
from agentfx.services.state import StateService as StateService
from agentfx.services.state import StateSettings as StateSettings
