"""Random traffic through the routing: who calls, answers, comes and goes, all by one seed.

The routing is pure, so a failing seed replays exactly. Connections are simulated: what is sent to
one waits in its inbox, for as long as the seed wants, and is gone with it.
"""

from collections import Counter
from random import Random

from agentfx.engine._actions import Actions, Send
from agentfx.engine._state import Connection
from agentfx.wire import (
    InvocationResult,
    InvokeFunction,
    RegisterFunction,
    UnregisterFunction,
    Void,
)
from tests.engine.routing import Routing
from tests.invariant import check

FUNCTIONS = [f"f{number}" for number in range(5)]
MOST_CONNECTIONS = 8


class Traffic:
    """Connections around one routing, and what each of them still waits for."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a schedule that can be replayed, no secret
        self.routing = Routing()
        self.events = 0
        self.links: dict[str, Connection] = {}
        self.inbox: dict[str, list[InvokeFunction]] = {}
        self.waiting: Counter[tuple[str, str]] = Counter()
        self.asked = 0
        self.told: list[tuple[str, object]] = []

    def run(self, events: int) -> None:
        """A time of traffic, then everybody answers, then everybody leaves."""
        acts = (
            [self._connect, self._disconnect, self._register, self._unregister]
            + [self._call] * 6 + [self._answer] * 6 + [self._answer_for_another]
        )  # fmt: skip
        for _ in range(events):
            self.events += 1
            self.random.choice(acts)()
        for link in list(self.links):
            while self.inbox[link]:
                self._answer(link)
        check(not self.waiting, f"calls that nobody answers: {list(self.waiting)[:3]}")
        for link in list(self.links):
            self._disconnect(link)
        check(not self.routing.state.calls, "calls outlive everybody")
        left = [function for function in self.routing.state.functions.values() if function.owner]
        check(not left, "functions outlive their owners")

    def _any(self) -> str | None:
        return self.random.choice(list(self.links)) if self.links else None

    def _connect(self) -> None:
        if len(self.links) < MOST_CONNECTIONS:
            connection = self.routing.connect(f"w{self.events}")
            self.links[connection.id] = connection
            self.inbox[connection.id] = []

    def _disconnect(self, name: str | None = None) -> None:
        name = name or self._any()
        if name is None:
            return
        connection = self.links.pop(name)
        del self.inbox[name]
        for key in [key for key in self.waiting if key[0] == name]:
            del self.waiting[key]  # who is gone waits for nothing
        self._deliver(self.routing.disconnect(connection))

    def _register(self) -> None:
        name = self._any()
        if name is not None:
            message = RegisterFunction(self.random.choice(FUNCTIONS))
            self._deliver(self.routing.tell(self.links[name], message))
            self._one_owner_each()

    def _unregister(self) -> None:
        name = self._any()
        if name is not None:
            message = UnregisterFunction(self.random.choice(FUNCTIONS))
            self._deliver(self.routing.tell(self.links[name], message))

    def _one_owner_each(self) -> None:
        owned = Counter(key for connection in self.links.values() for key in connection.functions)
        check(all(count == 1 for count in owned.values()), "a function has two owners")

    def _call(self) -> None:
        name = self._any()
        if name is None:
            return
        self.asked += 1
        void = self.random.random() < 0.2
        call_id = f"call{self.asked}"
        message = InvokeFunction(
            self.random.choice(FUNCTIONS), {"n": self.asked}, None if void else call_id,
            Void() if void else None,
        )  # fmt: skip
        if not void:
            self.waiting[name, call_id] += 1
        self._deliver(self.routing.tell(self.links[name], message))

    def _answer(self, name: str | None = None) -> None:
        name = name or self._any()
        if name is None or not self.inbox[name]:
            return
        call = self.inbox[name].pop(self.random.randrange(len(self.inbox[name])))
        if call.invocation_id is not None:
            answer = InvocationResult(call.invocation_id, call.function_id, call.data)
            self._deliver(self.routing.tell(self.links[name], answer))
            if self.random.random() < 0.05:  # twice: the second changes nothing
                check(not self.routing.tell(self.links[name], answer), "answered twice")

    def _answer_for_another(self) -> None:
        """Somebody answers a call that is not theirs: nobody hears of it."""
        name, calls = self._any(), list(self.routing.state.calls.values())
        if name is None or not calls:
            return
        call = self.random.choice(calls)
        if call.executor != name:
            forged = InvocationResult(call.id, call.function_id, "forged")
            check(not self.routing.tell(self.links[name], forged), "a forged answer was passed on")

    def _deliver(self, actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Send) and action.connection in self.links:
                self.told.append((action.connection, action.message))
                self._receive(action.connection, action.message)

    def _receive(self, name: str, message: object) -> None:
        if isinstance(message, InvokeFunction):
            function = self.routing.state.functions[("default", message.function_id)]
            check(function.owner == name, f"{message.function_id} went to who does not own it")
            self.inbox[name].append(message)
        elif isinstance(message, InvocationResult):
            key = (name, message.invocation_id)
            if not message.invocation_id.startswith("call"):
                return  # of its own introduction
            check(self.waiting[key] == 1, f"{key} is answered though it does not wait")
            check(message.result != "forged", "a forged answer")
            del self.waiting[key]


def simulate(seed: int, events: int) -> Traffic:
    """Some traffic, to its end.

    Raises:
        InvariantError: Something happened that must not; the seed replays it.
    """
    traffic = Traffic(seed)
    try:
        traffic.run(events)
    except AssertionError as error:
        error.add_note(f"routing, seed {seed}, event {traffic.events} of {events}")
        raise
    return traffic
