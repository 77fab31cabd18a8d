"""When the kernel's side of a panel says something."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agentfx.jobs import Told
from agentfx.notebook._kit import Kit
from agentfx.notebook._panel import BEAT_SECONDS, RunPanel
from agentfx.notebook._view import View
from tests.services.kit import HandClock


async def _nothing(after: int) -> list[Told]:
    return []


def _ignore() -> None:
    """Nobody stops watching here."""


async def test_something_comes_now_and_then_from_a_kernel_that_watches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, view = HandClock(), View("r")
    panel = RunPanel(cast("Kit", SimpleNamespace(clock=clock)), view, _nothing, None, _ignore)
    pushed: list[dict[str, Any]] = []
    monkeypatch.setattr(panel.widget, "push", pushed.append)
    pushing = asyncio.ensure_future(panel.keep_pushing())
    for _ in range(5 * 10):
        await asyncio.sleep(0)
        clock.advance(BEAT_SECONDS / 10)
    pushing.cancel()
    assert pushed[0]["set"]["run"]["run"]["live"] is True
    assert [(one["to"] - one["from"], one["set"], one["drop"]) for one in pushed[1:]] == (
        [(0, {}, {})] * 4
    )
    panel.finish()
    assert "live" not in panel.widget.state["tables"]["run"]["run"]
