"""A process with an engine and its services, made to be killed.

durable.py FOLDER PORT
"""

import asyncio
import os
import sys
from pathlib import Path

from agentfx.engine import Engine
from agentfx.services._sqlite import SqliteStore
from agentfx.services.queue import QueueConfig, QueueService, QueueSettings
from agentfx.services.state import StateService

QUEUES = QueueSettings({"jobs": QueueConfig(concurrency=8, backoff_ms=50)})


def broken(error: BaseException) -> None:
    os._exit(3)


async def main(folder: Path, port: int) -> None:
    store = SqliteStore(folder / "store.db", broken)
    engine = Engine(port=port)
    await StateService(store, engine.host).start()
    await QueueService(store, engine.host, QUEUES).start()
    await engine.start()
    sys.stdout.write(f"{engine.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
