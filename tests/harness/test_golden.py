"""Logs of released versions: they render for ever as they did."""

import json
from pathlib import Path

import pytest

from agentfx.harness._event import LogEvent
from agentfx.harness._request import lines
from agentfx.harness._transcript import transcript_of

LOGS = sorted((Path(__file__).parent / "golden").glob("*.json"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_52_a_log_renders_as_it_did(path: Path) -> None:
    golden = json.loads(path.read_text())
    events = [LogEvent(**row) for row in golden["events"]]
    request = transcript_of(events).request(golden["upto"])
    assert lines(request) == golden["lines"]
    assert request.digest == golden["digest"]


def test_there_are_golden_logs() -> None:
    assert len(LOGS) >= 3
