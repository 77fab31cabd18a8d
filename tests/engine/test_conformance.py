"""Our engine beside the recorded answers of real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentfx.engine import Engine
from tests.engine.conformance import beyond, connections, limits, queues, state
from tests.engine.conformance.lab import EXPERIMENTS, SLOW, Lab, differences, normalised

FOLDER = Path(__file__).parent / "conformance"
RECORDED: dict[str, Any] = json.loads((FOLDER / "reference.json").read_text("utf-8"))
DESCRIBED: dict[str, Any] = json.loads((FOLDER / "described.json").read_text("utf-8"))
REFERENCE = RECORDED | DESCRIBED
INTENDED: dict[str, str] = json.loads((FOLDER / "intended.json").read_text("utf-8"))
# Differ by milliseconds, which these experiments round off.
ROUNDED = {"topic-retry-dlq-redrive"}
MODULES = (beyond, connections, limits, queues, state)  # importing them registers their experiments


def test_every_known_answer_has_its_experiment() -> None:
    assert len(RECORDED) == 32
    assert not RECORDED.keys() & DESCRIBED.keys()
    assert EXPERIMENTS.keys() == REFERENCE.keys()
    assert ROUNDED <= INTENDED.keys() <= REFERENCE.keys()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in EXPERIMENTS],
)
async def test_answers_as_the_reference(name: str, engine: Engine) -> None:
    found = normalised(await EXPERIMENTS[name](Lab(engine.url)))
    differing = differences(normalised(REFERENCE[name]), found)
    if name in INTENDED.keys() - ROUNDED:
        assert differing, "listed as intended, but there is no difference any more"
    else:
        assert not differing
