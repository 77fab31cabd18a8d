"""The dispatch service, for a test."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.services.dispatch.kit import Kit, dispatching


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncGenerator[Kit]:
    """The service on a store of its own."""
    async with dispatching(tmp_path) as kit:
        yield kit
