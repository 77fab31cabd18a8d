"""Keeps what has the store going: the embedded engine, or services for another engine."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex, token_urlsafe
from typing import Any

from agentfx._clock import Clock
from agentfx._errors import AgentfxError
from agentfx.backends import CallError, Connection, ConnectionFailedError, LinkLostError
from agentfx.cluster._home import Home
from agentfx.cluster._nursery import Child, Nursery, end
from agentfx.cluster._options import BROKEN, INFO, REFUSED, SERVED, EngineOptions, ServicesOptions
from agentfx.cluster._port import HeldPort, free_port, hold_port
from agentfx.cluster._restarts import MOST_FAILURES, delay_seconds, failures_after
from agentfx.engine import load_config

PING_SECONDS = 1.0
PINGS_MISSED = 5
START_POLL_SECONDS = 0.02
END_SECONDS = 5.0
START_FAILURES = 3
SERVED_FAILURES = 4
"""As if an engine that has served, and ends, had failed at most so often: it waits a second."""


class CoreRefusedError(AgentfxError):
    """The engine, or the services, cannot start; they have said why."""


@dataclass(eq=False, slots=True)
class _Core:
    """The process that has the store: the embedded engine, or services for another engine.

    Attributes:
        failures: Ends in quick succession.
        missed: Pings without an answer.
        refused: It never ran, and said why.
        served: In this life it has answered.
    """

    child: Child
    failures: int = 0
    missed: int = 0
    refused: bool = False
    served: bool = False


class CoreKeeper:
    """Starts it, pings it, and starts it again when it has ended.

    Args:
        home: Where everything is.
        url: Of an engine that runs already; None starts the embedded one.
        token: For that engine.
        config: An iii configuration file for the embedded engine.
        clock: The time.
        over: Set when the cluster is over; set here if it cannot go on.
        spawn: Runs something beside, until the cluster is over.

    Attributes:
        connection: To the engine, once there is one.
    """

    def __init__(
        self,
        home: Home,
        url: str | None,
        token: str | None,
        config: str | None,
        clock: Clock,
        over: asyncio.Event,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._home, self._clock, self._config = home, clock, config
        self.url, self.token, self.embedded = url, token, url is None
        self._over, self._spawn = over, spawn
        self.connection: Connection | None = None
        self._process: _Core | None = None
        self._port: HeldPort | None = None
        self._started = False

    async def start(self, nursery: Nursery) -> None:
        """Start what is to be kept, and wait until it serves.

        Args:
            nursery: Forks processes.

        Raises:
            ConnectionFailedError: It does not start; the log says why.
            CoreRefusedError: It cannot start; it has said why.
        """
        self._fork = nursery.fork
        if self.embedded:
            await self._keep_core()
            self.connection = await self._connect()
        else:
            self.connection = await self._connect()  # first: without an engine nothing starts
            await self._keep_core()
            await self._served()
        self._started = True
        self.connection.on_change(self._link_changed)
        self._spawn(self._ping())

    def choose_address(self) -> None:
        """The port that the configuration asks for, else that of before, else any."""
        kept = self._home.address()
        self.token = kept[1] if kept else token_urlsafe(24)
        port = load_config(Path(self._config)).port if self._config is not None else 0
        if port:
            self._port = hold_port(port)  # None: who has it is told of when the engine starts
        else:
            self._port = free_port(kept[0] if kept else None)
            port = self._port.number
        self._home.keep_address(port, self.token)
        self.url = f"ws://127.0.0.1:{port}"

    async def _keep_core(self) -> None:
        self._process = _Core(await self._fork_core())
        self._spawn(self._restart(self._process))

    async def _fork_core(self) -> Child:
        assert self.url is not None  # noqa: S101 - set before
        home = str(self._home.path)
        if not self.embedded:
            services = ServicesOptions(home, self.url, self.token, self._config)
            return await self._fork("services", services)
        port = int(self.url.rpartition(":")[2])
        options = EngineOptions(home, port, self.token, config=self._config)
        return await self._fork("engine", options)

    async def _connect(self) -> Connection:
        assert self.url is not None  # noqa: S101 - set before
        while True:
            try:
                name = f"supervisor.{token_hex(4)}"
                return await Connection.connect(self.url, self.token, name)
            except ConnectionFailedError:
                if self._process is not None and self._process.refused:
                    raise CoreRefusedError from None
                if self._process is None or self._does_not_start(self._process):
                    raise
                await self._clock.sleep(START_POLL_SECONDS)

    async def _served(self) -> None:
        """Wait until the engine has services, ours or somebody else's.

        Raises:
            ConnectionFailedError: Ours do not start; the log says why.
            CoreRefusedError: Ours cannot start; they have said why.
        """
        while not await self._answers():
            if self._process is not None and self._process.refused:
                raise CoreRefusedError
            if self._process is not None and self._does_not_start(self._process):
                raise ConnectionFailedError(f"the services for {self.url} do not start")
            await self._clock.sleep(START_POLL_SECONDS)

    async def _answers(self) -> bool:
        assert self.connection is not None  # noqa: S101 - set before
        try:
            await self.connection.call(INFO, {}, timeout_seconds=PING_SECONDS)
        except (CallError, LinkLostError):
            return False
        return True

    def _does_not_start(self, core: _Core) -> bool:
        return core.child.ended.done() and core.failures > START_FAILURES

    async def _restart(self, core: _Core) -> None:
        while not self._over.is_set():
            started = self._clock.monotonic()
            status = await core.child.status()
            if self._over.is_set():
                return
            if status == SERVED:
                self._process = None
                return
            if status == REFUSED and not self._started:
                core.refused = True  # it never ran: nothing is gained by trying again
                return
            ran_seconds = self._clock.monotonic() - started
            core.failures = 0 if status == BROKEN else failures_after(core.failures, ran_seconds)
            if core.served:  # it starts, and something ends it: everybody waits for it
                core.failures = min(core.failures, SERVED_FAILURES)
            elif core.failures > MOST_FAILURES:
                self._over.set()  # it does not start: the log says why
                return
            await self._clock.sleep(delay_seconds(core.failures))
            core.missed, core.served = 0, False
            core.child = await self._fork_core()

    def _link_changed(self, is_open: bool) -> None:
        """On the SDK's thread."""
        if is_open and self.embedded and self._process is not None:
            self._process.served = True

    async def _ping(self) -> None:
        """Kill an engine, or services, that are there and do not answer; they start again."""
        while True:
            await self._clock.sleep(PING_SECONDS)
            core, connection = self._process, self.connection
            if core is None or connection is None:
                return
            if await self._answers():
                core.missed, core.served = 0, True
            elif self.embedded or connection.is_open:
                core.missed += 1  # without a link to somebody else's engine nothing is known
            if core.missed >= PINGS_MISSED and not core.child.ended.done():
                core.missed = 0
                core.child.signal(signal.SIGKILL)

    @property
    def pid(self) -> int | None:
        """Of the process; None where the engine has services of somebody else."""
        return None if self._process is None else self._process.child.pid

    def kill(self) -> None:
        """Kill it, as somebody has asked; it is started again."""
        if self._process is not None:
            self._process.failures = 0  # asked for: no sign that it cannot start
            self._process.child.signal(signal.SIGKILL)

    async def close(self) -> None:
        """Let go of the engine, then end the process."""
        if self.connection is not None:
            await self.connection.close()
        if self._process is not None:
            await end([self._process.child], END_SECONDS)
        if self._port is not None:
            self._port.close()
