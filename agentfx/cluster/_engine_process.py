"""The embedded engine's process: engine, services and store in one."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from agentfx._clock import SystemClock
from agentfx.cluster._home import Home
from agentfx.cluster._options import BROKEN, EngineOptions
from agentfx.cluster._services import Services
from agentfx.engine import Engine, EngineConfig, EngineError, load_config
from agentfx.services import QueueSettings, SqliteStore, StateSettings, StoreError


def run_engine(options: EngineOptions) -> int:
    """Serve until SIGTERM; the exit status. A mistake is one line."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    try:
        return asyncio.run(_serve(options))
    except (EngineError, StoreError) as error:
        print(f"agentfx engine: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return 1


async def _serve(options: EngineOptions) -> int:
    config = _config(options)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leave.set)
    engine = Engine(host=options.host, port=options.port, token=options.token, clock=SystemClock())
    if not options.services:
        try:
            await engine.start()
            await leave.wait()
        finally:
            await engine.stop()
        return 0
    home = Home(Path(options.home))
    home.make()
    store = SqliteStore(home.store, on_broken=lambda error: os._exit(BROKEN))
    services = Services(
        store, engine.host, home, SystemClock(), config.state, config.queue, "engine"
    )
    try:
        await services.start()
        await engine.start()  # last: whoever connects finds the services
        await leave.wait()
        await services.stop()
    finally:
        await engine.stop()
        store.close()
    return 0


def _config(options: EngineOptions) -> EngineConfig:
    if options.config is not None:
        return load_config(Path(options.config))
    return EngineConfig(options.host, options.port, StateSettings(), QueueSettings())
