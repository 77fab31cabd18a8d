"""The embedded engine's process: engine, services and store in one."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agentfx._clock import SystemClock
from agentfx.cluster._home import Home
from agentfx.cluster._options import BROKEN, EngineOptions
from agentfx.cluster._services import Services
from agentfx.engine import Engine, EngineConfig, load_config
from agentfx.services import QueueSettings, SqliteStore, StateSettings

HOST, PORT = "127.0.0.1", 49134


def run_engine(options: EngineOptions, ready: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM; the exit status.

    Args:
        options: How.
        ready: Called with its address once it listens.
    """
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    return asyncio.run(_serve(options, ready))


async def _serve(options: EngineOptions, ready: Callable[[str], None] | None) -> int:
    config = _config(options)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    engine = Engine(host=config.host, port=config.port, token=options.token, clock=SystemClock())
    if not options.services:
        try:
            await engine.start()
            if ready is not None:
                ready(engine.url)
            await leave.wait()
        finally:
            await engine.stop()
        return 0
    home = Home(Path(options.home))
    home.make()
    store = SqliteStore(home.store, on_broken=lambda error: os._exit(BROKEN))
    services = Services(store, engine.host, home, SystemClock(), config.state, config.queue)
    try:
        await services.start()
        await engine.start()  # last: whoever connects finds the services
        if ready is not None:
            ready(engine.url)
        await leave.wait()
        await services.stop()
    finally:
        await engine.stop()
        store.close()
    return 0


def _config(options: EngineOptions) -> EngineConfig:
    if options.config is not None:
        config = load_config(Path(options.config))
    else:
        config = EngineConfig(HOST, PORT, StateSettings(), QueueSettings())
    return config if options.port is None else replace(config, port=options.port)
