"""`state::*`: values by scope and key, and triggers on their changes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import orjson

from agentfx.services._host import Binding, FunctionError, Handler, Host
from agentfx.services._input import Input
from agentfx.services._names import own_id
from agentfx.services._store import Store, StoreError, Transaction
from agentfx.services._tasks import Tasks
from agentfx.services.state._parse import UPDATE, operations
from agentfx.services.state._update import MISSING, Updated, update
from agentfx.services.state._watch import Change, Watcher, watcher
from agentfx.wire import MAX_MESSAGE, NULL, Json

T = TypeVar("T")
TRIGGER_TYPE = "state"


@dataclass(frozen=True, slots=True)
class StateSettings:
    """How the state behaves.

    Attributes:
        max_value_bytes: Largest value, as JSON; old and new value travel in one answer.
        triggers_enabled: Whether changes are told to anybody.
    """

    max_value_bytes: int = 16 << 20
    triggers_enabled: bool = True


class StateService:
    """Serves `agentfx::state::*`, and the plain `state::*` with the trigger type `state`.

    A write is answered, and told to watchers, after it is durable.

    Args:
        store: Keeps the values.
        host: Where functions and triggers are.
        settings: How it behaves.
        plain: Whether it has the plain names: False where somebody else has them.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        settings: StateSettings | None = None,
        *,
        plain: bool = True,
    ) -> None:
        self._store, self._host, self._plain = store, host, plain
        self._settings = settings or StateSettings()
        self._watchers: dict[str, Watcher] = {}
        self._tasks = Tasks()

    async def start(self) -> None:
        """Register everything.

        Raises:
            FunctionError: Somebody else serves one of the ids.
        """
        for function_id, (description, handler) in self._functions().items():
            if self._plain:
                self._host.serve(function_id, handler, description=description)
            self._host.serve(own_id(function_id), handler, metadata={"internal": True})
        if self._plain:
            description = "Fires when a state value is written"
            self._host.provide(TRIGGER_TYPE, self, description=description)

    async def stop(self) -> None:
        """Unregister everything; events that were not delivered are dropped."""
        for function_id in self._functions():
            self._host.withdraw(own_id(function_id))
            if self._plain:
                self._host.withdraw(function_id)
        if self._plain:
            self._host.retract(TRIGGER_TYPE)
        await self._tasks.close()

    def bind(self, binding: Binding) -> None:
        """See `TriggerProvider.bind`."""
        self._watchers[binding.id] = watcher(binding)

    def unbind(self, binding: Binding, *, disconnected: bool) -> None:
        """See `TriggerProvider.unbind`."""
        self._watchers.pop(binding.id, None)

    def _functions(self) -> dict[str, tuple[str, Handler]]:
        return {
            "state::set": ("Set a value", self._set),
            "state::get": ("Get a value", self._get),
            "state::delete": ("Delete a value", self._delete),
            UPDATE: ("Change a value in place", self._update),
            "state::list": ("Get the values of a scope", self._list),
            "state::list_groups": ("Get the names of all scopes", self._list_groups),
        }

    async def _set(self, data: Json, caller: str | None) -> Json:
        asked = Input("state::set", data)
        scope, key = asked.text("scope"), asked.text("key")
        value = asked.value("value", "data")
        new = self._sized(orjson.dumps(value))

        def operation(rows: Transaction) -> bytes | None:
            old = rows.state.get(scope, key)
            rows.state.put(scope, key, new)
            return old

        old = await self._stored("SET_ERROR", self._store.write(operation))
        old_value = None if old is None else orjson.loads(old)
        kind: Literal["created", "updated"] = "created" if old is None else "updated"
        self._tell(Change(kind, scope, key, old_value, value, len(old or b"") + len(new)))
        return {"old_value": old_value, "new_value": value}

    async def _get(self, data: Json, caller: str | None) -> Json:
        asked = Input("state::get", data)
        scope, key = asked.text("scope"), asked.text("key")
        found = await self._stored(
            "GET_ERROR", self._store.read(lambda rows: rows.state.get(scope, key))
        )
        return _answer(found)

    async def _delete(self, data: Json, caller: str | None) -> Json:
        asked = Input("state::delete", data)
        scope, key = asked.text("scope"), asked.text("key")

        def operation(rows: Transaction) -> bytes | None:
            old = rows.state.get(scope, key)
            rows.state.remove(scope, key)
            return old

        old = await self._stored("DELETE_ERROR", self._store.write(operation))
        answer = _answer(old)
        old_value = None if answer is NULL else answer
        self._tell(Change("deleted", scope, key, old_value, None, len(old or b"")))
        return answer

    async def _update(self, data: Json, caller: str | None) -> Json:
        asked = Input(UPDATE, data)
        scope, key = asked.text("scope"), asked.text("key")
        wanted = operations(asked)

        def operation(rows: Transaction) -> tuple[Change, Updated]:
            old = rows.state.get(scope, key)
            old_value: Json = None if old is None else orjson.loads(old)
            updated = update(MISSING if old is None else old_value, wanted)
            new = self._sized(orjson.dumps(updated.value))
            rows.state.put(scope, key, new)
            kind: Literal["created", "updated"] = "created" if old is None else "updated"
            size = len(old or b"") + len(new)
            return Change(kind, scope, key, old_value, updated.value, size), updated

        change, updated = await self._stored("UPDATE_ERROR", self._store.write(operation))
        self._tell(change)
        answer: dict[str, Json] = {"old_value": change.old_value, "new_value": change.new_value}
        if updated.errors:
            answer["errors"] = [
                {"op_index": index, "code": code, "message": message}
                for index, code, message in updated.errors
            ]
        return answer

    async def _list(self, data: Json, caller: str | None) -> Json:
        scope = Input("state::list", data).text("scope")

        def query(rows: Transaction) -> list[Json]:
            if (size := rows.state.size(scope)) > MAX_MESSAGE:
                text = (
                    f"the scope has {size} bytes, at most {MAX_MESSAGE} can be sent: get its keys"
                )
                raise FunctionError("LIST_ERROR", text)
            return [orjson.loads(value) for value in rows.state.values(scope)]

        return await self._stored("LIST_ERROR", self._store.read(query))

    async def _list_groups(self, data: Json, caller: str | None) -> Json:
        scopes = await self._stored(
            "LIST_GROUPS_ERROR", self._store.read(lambda rows: rows.state.scopes())
        )
        return {"groups": scopes}

    def _sized(self, value: bytes) -> bytes:
        limit = self._settings.max_value_bytes
        if len(value) > limit:
            text = f"the value has {len(value)} bytes, at most {limit} are kept"
            raise FunctionError("VALUE_TOO_LARGE", text)
        return value

    async def _stored(self, code: str, result: Awaitable[T]) -> T:
        try:
            return await result
        except StoreError as error:
            raise FunctionError(code, str(error)) from error

    def _tell(self, change: Change) -> None:
        if not self._settings.triggers_enabled:
            return
        for watching in self._watchers.values():
            if watching.sees(change):
                watching.add(change)
                self._deliver(watching)

    def _deliver(self, watching: Watcher) -> None:
        while (event := watching.next()) is not None:
            self._tasks.spawn(self._call(watching, event))

    async def _call(self, watching: Watcher, event: Json) -> None:
        target = watching.binding
        call: Callable[..., Awaitable[Json]] = self._host.call
        try:
            condition = watching.condition
            if condition is not None and await call(condition, event) is False:
                return
            await call(
                target.function_id, event, namespace=target.namespace, metadata=target.metadata
            )
        except FunctionError:
            return  # an event is told once; whoever cannot take it misses it
        finally:
            watching.running -= 1
            if self._watchers.get(target.id) is watching:
                self._deliver(watching)


def _answer(value: bytes | None) -> Json:
    if value is None:
        return None
    found = orjson.loads(value)
    return NULL if found is None else found
