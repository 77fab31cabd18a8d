"""The closed union of nodes: an interpreter handles each of them."""

from typing import Any, TypeAlias

from agentfx.algebra._attempt import Attempt
from agentfx.algebra._capability import Provide, Use
from agentfx.algebra._do import DoBlock
from agentfx.algebra._effect import (
    Catch,
    CatchAll,
    Either,
    Ensuring,
    Fail,
    FlatMap,
    Map,
    Named,
    NamedCall,
    Retry,
    Sleep,
    Succeed,
    Timeout,
    Zip,
)
from agentfx.algebra._fence import Guard
from agentfx.algebra._for_each import ForEach
from agentfx.algebra._remote import RemoteCall, RemoteJob
from agentfx.algebra._stream import Collect
from agentfx.algebra._task import ActionCall, DirectCall, TaskCall

Leaf: TypeAlias = (
    TaskCall[Any, Any, Any]
    | ActionCall[Any, Any, Any]
    | DirectCall[Any, Any, Any]
    | RemoteCall[Any, Any, Any]
    | RemoteJob[Any, Any, Any]
    | Guard[Any, Any, Any]
    | Collect[Any, Any, Any]
    | Use[Any, Any, Any]
    | Attempt[Any, Any, Any]
    | Sleep
    | ForEach[Any, Any, Any]
)
"""Nodes that wait for something outside the walk."""

Node: TypeAlias = (
    Succeed[Any]
    | Fail[Any]
    | Map[Any, Any, Any]
    | FlatMap[Any, Any, Any]
    | Zip[Any, Any, Any]
    | CatchAll[Any, Any, Any]
    | Catch[Any, Any, Any]
    | Either[Any, Any, Any]
    | Timeout[Any, Any, Any]
    | Ensuring[Any, Any, Any]
    | Named[Any, Any, Any]
    | NamedCall[Any, Any, Any]
    | Retry[Any, Any, Any]
    | Provide[Any, Any, Any]
    | DoBlock[Any, Any, Any]
    | Leaf
)
