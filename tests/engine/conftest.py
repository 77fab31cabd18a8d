from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from agentfx.engine import Engine
from agentfx.services._sqlite import SqliteStore
from agentfx.services.queue import QueueConfig, QueueService, QueueSettings
from agentfx.services.state import StateService

Serving: TypeAlias = Callable[..., AbstractAsyncContextManager[Engine]]

QUEUES = QueueSettings(
    {
        "quick": QueueConfig(max_retries=3, concurrency=4, backoff_ms=10),
        "ordered": QueueConfig(type="fifo", message_group_field="account", backoff_ms=10),
    }
)


def broken(error: BaseException) -> None:
    raise AssertionError("the store broke") from error


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """An engine with state and queues, on the same store each time."""

    @asynccontextmanager
    async def serving(port: int = 0, token: str | None = None) -> AsyncGenerator[Engine, None]:
        store = SqliteStore(tmp_path / "store.db", broken)
        engine = Engine(port=port, token=token)
        state, queue = StateService(store, engine.host), QueueService(store, engine.host, QUEUES)
        await state.start()
        await queue.start()
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop()
            await queue.stop()
            await state.stop()
            store.close()

    return serving


@pytest.fixture
async def engine(serving: Serving) -> AsyncIterator[Engine]:
    async with serving() as engine:
        yield engine
