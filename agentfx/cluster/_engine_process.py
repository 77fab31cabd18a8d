"""The embedded engine's process: engine, services and store in one."""

import asyncio
import logging
import os
import platform
import signal
from functools import partial
from pathlib import Path

from agentfx._clock import SystemClock
from agentfx.cluster._bundle import drop_bundles
from agentfx.cluster._home import Home, is_alive
from agentfx.cluster._options import BROKEN, EngineOptions
from agentfx.engine import Engine, EngineConfig, load_config
from agentfx.services import (
    DispatchService,
    QueueService,
    QueueSettings,
    RosterRow,
    SessionService,
    SqliteStore,
    StateService,
    StateSettings,
)


def run_engine(options: EngineOptions) -> int:
    """Serve until SIGTERM; the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    return asyncio.run(_serve(options))


async def _serve(options: EngineOptions) -> int:
    config = _config(options)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    home = Home(Path(options.home))
    home.make()
    clock = SystemClock()
    store = SqliteStore(home.store, on_broken=lambda error: os._exit(BROKEN))
    engine = Engine(host=options.host, port=options.port, token=options.token, clock=clock)
    services = DispatchService(
        store, engine.host, clock, process_ended, partial(drop_bundles, home)
    )
    sessions = SessionService(store, services.jobs, clock)
    try:
        if config.state is not None:
            await StateService(store, engine.host, config.state).start()
        if config.queue is not None:
            await QueueService(store, engine.host, config.queue, clock=clock).start()
        await sessions.prepare()
        await services.start()
        await sessions.start()
        await engine.start()  # last: whoever connects finds the services
        await leave.wait()
        await sessions.stop()
        await services.stop()
    finally:
        await engine.stop()
        store.close()
    return 0


def _config(options: EngineOptions) -> EngineConfig:
    if options.config is not None:
        return load_config(Path(options.config))
    return EngineConfig(options.host, options.port, StateSettings(), QueueSettings())


def process_ended(row: RosterRow) -> bool | None:
    """Whether a worker's process has ended; None for one on another machine."""
    if row.host != platform.node():
        return None
    return not is_alive(row.pid, row.born)
