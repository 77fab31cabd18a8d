"""One line about each kind of event, in a log as a table."""

from collections.abc import Mapping
from typing import Any

import pytest

from agentfx.harness import LogEvent
from agentfx.harness._view import text

LINES: list[tuple[str, Mapping[str, Any], str]] = [
    ("approved", {"call": "1.0", "by": "ana", "edited": False, "arguments": None},
     "call 1.0"),
    ("approved", {"call": "1.0", "by": "ana", "edited": True, "arguments": {"amount": 7}},
     "call 1.0, as (amount=7)"),
    ("rejected", {"call": "1.0", "by": "ana", "reason": "too dear"}, "call 1.0: too dear"),
    ("rejected", {"call": "1.0", "by": "ana", "reason": ""}, "call 1.0"),
    ("refused", {"details": None, "content": []}, "by the model"),
    ("refused", {"details": {"type": "policy"}, "content": []}, 'by the model: {"type":"policy"}'),
    ("limit_reached", {"limit": "steps: 3 model calls after one message"},
     "steps: 3 model calls after one message"),
    ("step_failed", {"error": "the step came to nothing"}, "the step came to nothing"),
    ("cancelled", {"reason": "", "closed": []}, ""),
    ("cancelled", {"reason": "enough", "closed": ["1.0", "1.1"]}, "enough; 2 calls closed"),
    ("forked", {"parent": "s1", "at": 4, "edited": False}, "of s1, after its event 4"),
    ("forked", {"parent": "s1", "at": 4, "edited": True}, "of s1, after its event 4, with an edit"),
    ("cut", {"from": 6, "size": 900}, "the first 6 messages are no longer sent"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "line"), LINES)
def test_a_line_about_an_event(kind: str, body: Mapping[str, Any], line: str) -> None:
    assert text(LogEvent(1, 0.0, "w1", 0, kind, body)) == line
