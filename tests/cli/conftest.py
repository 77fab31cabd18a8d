"""The command, in a folder of its own."""

from pathlib import Path

import pytest

from tests.cluster.command import Command


@pytest.fixture
def agentfx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(tmp_path, monkeypatch, capsys)
