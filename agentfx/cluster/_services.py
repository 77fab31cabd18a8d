"""All services on one store, as an engine's process or a worker of an engine hosts them."""

import platform
from functools import partial
from importlib.metadata import version

from agentfx._clock import Clock
from agentfx.cluster._bundle import drop_bundles
from agentfx.cluster._home import Home, is_alive
from agentfx.cluster._options import INFO
from agentfx.services import (
    DispatchService,
    Host,
    QueueService,
    QueueSettings,
    RosterRow,
    SessionService,
    StateService,
    StateSettings,
    Store,
)
from agentfx.wire import Json


class Services:
    """State, queues, runs and sessions, started and stopped together.

    Args:
        store: Where everything is on record; open in this process alone.
        host: Where they are served.
        home: Of the store, and of the drivers' code.
        clock: The time.
        state: How `state::*` behaves, None to leave the plain names to somebody else.
        queue: The same for queues and topics.
        worker: Name of the worker that hosts them; None if the engine does itself.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        home: Home,
        clock: Clock,
        state: StateSettings | None,
        queue: QueueSettings | None,
        worker: str | None = None,
    ) -> None:
        self._store, self._host, self._home, self._worker = store, host, home, worker
        drop_code = partial(drop_bundles, home)
        self._state = StateService(store, host, state, plain=state is not None)
        self._queue = QueueService(store, host, queue, clock=clock, plain=queue is not None)
        self._dispatch = DispatchService(store, host, clock, process_ended, drop_code)
        self._sessions = SessionService(store, self._dispatch.jobs, clock)

    @property
    def generation(self) -> int:
        """Number of this life of the services, among all on the same store."""
        return self._dispatch.generation

    async def start(self) -> None:
        """Begin where the store's last life ended, then serve."""
        await self._state.start()
        await self._queue.start()
        await self._sessions.prepare()
        await self._dispatch.start()
        await self._sessions.start()
        self._host.serve(INFO, self._info, metadata={"internal": True})

    async def stop(self) -> None:
        """Stop serving; what is on record stays."""
        self._host.withdraw(INFO)
        await self._sessions.stop()
        await self._dispatch.stop()
        await self._queue.stop()
        await self._state.stop()

    async def _info(self, data: Json, caller: str | None) -> Json:
        return {
            "version": version("agentfx-kit"),
            "worker": self._worker,
            "generation": self.generation,
            "store": str(self._home.store),
            "lossy": self._store.lossy,
        }


def process_ended(row: RosterRow) -> bool | None:
    """Whether a worker's process has ended; None for one on another machine."""
    if row.host != platform.node():
        return None
    return not is_alive(row.pid, row.born)
