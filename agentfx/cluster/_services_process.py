"""The services' own process: an ordinary worker of an iii engine that runs already.

When its link closes, this life of the services ends, and the next begins with the next link, as
after a restart: whoever was connected meanwhile is asked what it holds.
"""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from secrets import token_hex

from agentfx._clock import Clock, SystemClock
from agentfx.backends import CallError, Connection, LinkLostError
from agentfx.cluster._connected_host import ConnectedHost
from agentfx.cluster._find import ClusterError
from agentfx.cluster._home import Home
from agentfx.cluster._options import BROKEN, INFO, SERVED, ServicesOptions
from agentfx.cluster._refusal import say_why
from agentfx.cluster._services import Services
from agentfx.engine import load_config
from agentfx.services import (
    FunctionError,
    QueueSettings,
    SqliteStore,
    StateSettings,
    Store,
)
from agentfx.wire import is_object

CHECK_SECONDS = 2.0
ASK_SECONDS = 2.0
AGAIN_SECONDS = 0.05
_STATE_NAMES = ("state::set", "state::get", "state::update", "state")
_QUEUE_NAMES = (
    "engine::queue::enqueue", "iii::durable::publish", "iii::queue::redrive", "durable:subscriber",
)  # fmt: skip


class ServedError(ClusterError):
    """The engine has services already."""


def run_services(options: ServicesOptions) -> int:
    """Serve until SIGTERM; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    logging.getLogger("iii").setLevel(logging.CRITICAL)  # refusals are answers, not news
    try:
        return asyncio.run(_serve_until_told(options))
    except ServedError as error:
        say_why(error)
        return SERVED


async def _serve_until_told(options: ServicesOptions) -> int:
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    return await serve(options, leave)


async def serve(options: ServicesOptions, leave: asyncio.Event) -> int:
    """Serve an engine until `leave` is set or others serve it; the exit status.

    Raises:
        ConnectionFailedError: No engine answers, or it refuses the token.
        ServedError: It has services already.
        StoreError: The store is open elsewhere, or cannot be opened.
    """
    clock, home = SystemClock(), Home(Path(options.home))
    settings = _settings(options.config)
    connection = await Connection.connect(
        options.url, options.token, f"agentfx-services.{token_hex(4)}"
    )
    try:
        await wait_until_unserved(connection, clock)
        home.make()
        store = SqliteStore(home.store, lambda error: os._exit(BROKEN), connection.loop)
        server = _Server(connection, store, home, clock, *settings)
        running = asyncio.wrap_future(connection.spawn(server.run()))
        leaving = asyncio.ensure_future(leave.wait())
        try:
            await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
            connection.call_soon(server.leave)
            return await running
        finally:
            leaving.cancel()
            store.close()
    finally:
        await connection.close()


def _settings(config: str | None) -> tuple[StateSettings, QueueSettings]:
    found = load_config(Path(config)) if config is not None else None
    state = found.state if found is not None else None
    queue = found.queue if found is not None else None
    return state or StateSettings(), queue or QueueSettings()


async def wait_until_unserved(connection: Connection, clock: Clock) -> None:
    """Wait while services are on their way out.

    Raises:
        ServedError: There are services, and they are well.
    """
    told = False
    while True:
        try:
            found = await connection.call(INFO, {}, ASK_SECONDS)
        except LinkLostError:
            pass
        except CallError as error:
            if error.code == "function_not_found":
                return
            if error.code == "TIMEOUT" and not told:
                told = True
                _say(
                    f"the engine at {connection.url} has services that do not answer; waiting "
                    "until it lets go of them"
                )
        else:
            where = "its own" if found["worker"] is None else f"with the store {found['store']}"
            raise ServedError(
                f"the engine at {connection.url} has agentfx services already, {where}: use "
                "them, or stop them first"
            )
        await clock.sleep(AGAIN_SECONDS)


class _Server:
    """One life of the services after the other; runs on the SDK's loop.

    Args:
        connection: To the engine.
        store: Open in this process alone.
        home: Of the store.
        clock: The time.
        state: How `state::*` behaves, where the engine leaves it to us.
        queue: The same for queues and topics.
    """

    def __init__(
        self,
        connection: Connection,
        store: Store,
        home: Home,
        clock: Clock,
        state: StateSettings,
        queue: QueueSettings,
    ) -> None:
        self._connection, self._store, self._home, self._clock = connection, store, home, clock
        self._settings = state, queue
        self._host: ConnectedHost | None = None
        self._opened, self._over = asyncio.Event(), asyncio.Event()
        self._leaving = False
        connection.on_change(self._link_changed)

    def leave(self) -> None:
        """Stop serving."""
        self._leaving = True
        self._opened.set()
        self._over.set()

    def _link_changed(self, is_open: bool) -> None:
        if is_open:
            self._opened.set()
            return
        if self._host is not None:
            self._host.close()  # now: the SDK registers anew whatever is left, in a moment
        self._opened.clear()
        self._over.set()

    async def run(self) -> int:
        """Serve for as long as it may; the exit status."""
        if self._connection.is_open:
            self._opened.set()
        while True:
            await self._opened.wait()
            if self._leaving:
                return 0
            try:
                status = await self._live()
            except (CallError, FunctionError, LinkLostError):
                await self._clock.sleep(AGAIN_SECONDS)  # the link closed while it began
                continue
            if status is not None:
                return status

    async def _live(self) -> int | None:
        self._over.clear()
        host = self._host = ConnectedHost(self._connection, self._clock)
        services: Services | None = None
        try:
            await host.open()
            services = self._services(host)
            await services.start()
            await self._connection.served(INFO, self._clock)
            await host.announce(services.generation)
            _say(
                f"serving {self._connection.url} (life {services.generation} of {self._home.store})"
            )
            return await self._until_over(host)
        finally:
            host.close()
            if services is not None:
                await services.stop()

    def _services(self, host: ConnectedHost) -> Services:
        state, queue = self._settings
        return Services(
            self._store,
            host,
            self._home,
            self._clock,
            None if any(map(host.has, _STATE_NAMES)) else state,
            None if any(map(host.has, _QUEUE_NAMES)) else queue,
            self._connection.name,
        )

    async def _until_over(self, host: ConnectedHost) -> int | None:
        """Until the link closes (None), somebody else took over, or we shall leave."""
        while True:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._over.wait()
                return 0 if self._leaving else None
            except TimeoutError:
                owned = await self._owned()
            if owned is None:
                return None
            if not owned:
                _say(f"other services took over the engine at {self._connection.url}")
                return SERVED

    async def _owned(self) -> bool | None:
        """Whether the engine gives the services' calls to us; None if to nobody.

        Engines up to 0.22 give an id to whoever registers it last, and do not say so.
        """
        try:
            async with asyncio.timeout(ASK_SECONDS):
                found = await self._connection.call_within(INFO, {})
        except TimeoutError:
            return True  # it takes its time, whoever it is
        except CallError as error:
            return None if error.code == "function_not_found" else True
        return is_object(found) and found.get("worker") == self._connection.name


def _say(text: str) -> None:
    print(f"agentfx services: {text}", file=sys.stderr, flush=True)  # noqa: T201 - into its log
