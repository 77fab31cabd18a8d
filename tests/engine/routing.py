"""The routing on its own: messages in, actions out."""

from itertools import count
from typing import Any, TypeVar

from agentfx.engine._actions import Action, Actions, Send
from agentfx.engine._builtins import install
from agentfx.engine._route import receive
from agentfx.engine._state import Connection, State
from agentfx.engine._workers import on_connect, on_disconnect
from agentfx.wire import (
    InvocationResult,
    InvokeFunction,
    RegisterFunction,
    RegisterTrigger,
    ToEngine,
    ToWorker,
)

Message = TypeVar("Message")
NOW_MS = 1_700_000_000_000


class Routing:
    """A fresh routing with ids and times that a test can foretell."""

    def __init__(self) -> None:
        ids = count(1)
        self.state = State(lambda: NOW_MS, lambda: f"id-{next(ids)}")
        install(self.state)

    def connect(self, name: str | None = None, namespace: str | None = None) -> Connection:
        """A connection; with a name, one that has introduced itself."""
        connection, _ = on_connect(self.state, "127.0.0.1", 5.0)
        if name is not None:
            self.introduce(connection, name, namespace)
        return connection

    def introduce(self, connection: Connection, name: str, namespace: str | None = None) -> Actions:
        """A connection says who it is."""
        data = {"name": name, "pid": 1, "namespace": namespace}
        return self.call(connection, "engine::workers::register", data)

    def disconnect(self, connection: Connection) -> Actions:
        """A connection is gone."""
        return on_disconnect(self.state, connection.id)

    def tell(self, connection: Connection, message: ToEngine) -> Actions:
        """A message comes in."""
        return receive(self.state, connection.id, message)

    def call(
        self,
        connection: Connection,
        function_id: str,
        data: Any,
        call_id: str = "call",
        **more: Any,
    ) -> Actions:
        """A connection calls a function."""
        return self.tell(connection, InvokeFunction(function_id, data, call_id, **more))

    def result(self, connection: Connection, function_id: str, data: Any) -> Any:
        """What a function of the engine itself answers; its error body if it fails."""
        answers = sent(self.call(connection, function_id, data), InvocationResult)
        assert len(answers) == 1
        return answers[0].error or answers[0].result

    def register(self, connection: Connection, function_id: str, **more: Any) -> Actions:
        """A connection offers a function."""
        return self.tell(connection, RegisterFunction(function_id, **more))

    def trigger(
        self,
        connection: Connection,
        trigger_id: str,
        trigger_type: str,
        function_id: str,
        **more: Any,
    ) -> Actions:
        """A connection makes a trigger."""
        message = RegisterTrigger(trigger_id, trigger_type, function_id, {"c": 1}, **more)
        return self.tell(connection, message)


def of(actions: Actions, kind: type[Message]) -> list[Message]:
    """The actions of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def sent(actions: Actions, kind: type[Message]) -> list[Message]:
    """The messages of one kind that are sent, to whomever."""
    return [send.message for send in of(actions, Send) if isinstance(send.message, kind)]


def only(actions: Actions) -> Action:
    """The one action there is."""
    assert len(actions) == 1, actions
    return actions[0]


def to(connection: Connection, message: ToWorker) -> Send:
    """A message on its way to a connection."""
    return Send(connection.id, message)
