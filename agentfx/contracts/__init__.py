"""Functions of other workers: remote calls, contracts, and types made of them."""

from agentfx.contracts._remote import remote as remote
from agentfx.contracts._untyped import RemoteFailure as RemoteFailure
