"""How streams and fences show themselves in trees, before a run and after it."""

from typing import Any

import pytest

import agentfx as fx
from agentfx.cluster import ProgramError, load_program
from agentfx.jobs import Told
from agentfx.notebook import effect
from agentfx.notebook._cell import checked
from agentfx.notebook._errors import UserError
from agentfx.notebook._outline import outline
from agentfx.notebook._view import View
from agentfx.notebook._words import tree_lines
from tests.streams.clock import ManualClock, in_memory
from tests.streams.test_operators import tenfold

STREAM = fx.Stream.of(1, 2).map(abs).merge_map(tenfold, 2)
PROGRAM = STREAM.switch_map(lambda n, fence: fence.guard(tenfold(n))).to_list()


def test_a_program_shows_its_stream_before_it_runs() -> None:
    shown = str(effect(PROGRAM.named("chat").map(len).zip(tenfold(2)))).splitlines()
    text = "Stream.of(1, 2).map(abs).merge_map(tenfold, 2).switch_map(lambda).to_list()"
    assert shown[0] == f"○ {text}  step 1 · chat · its steps are known when it runs"
    assert shown[-1] == "○ streams::tenfold(2)  step 2"


async def test_the_tree_of_a_run_shows_items_epochs_and_the_fence() -> None:
    events: list[fx.Event] = []
    await in_memory(PROGRAM.named("chat"), ManualClock(), events.append)
    view = View("run", "memory", outline(PROGRAM.named("chat")))
    view.apply(Told.of(event.model_dump()) for event in events)
    lines = [(line.depth, line.glyph, line.text) for line in tree_lines(view.snapshot())]
    assert lines == [
        (0, "✓", "chat"),
        (1, "✓", "merge_map(tenfold, 2)"),
        (2, "✓", "item 1"),
        (3, "✓", "streams::tenfold"),
        (2, "✓", "item 2"),
        (3, "✓", "streams::tenfold"),
        (1, "✓", "switch_map(lambda)"),
        (2, "✓", "item 2"),
        (3, "✓", "epoch 2"),
        (3, "✓", "guarded(epoch 2)"),
        (4, "✓", "fence passed, epoch 2"),
        (4, "✓", "streams::tenfold"),
    ]


def test_a_stream_without_to_list_is_named_where_a_program_is_expected() -> None:
    with pytest.raises(UserError, match=r"a stream.*add \.to_list\(\)"):
        checked(STREAM)
    with pytest.raises(ProgramError, match=r"STREAM is a stream.*add \.to_list\(\)"):
        load_program(f"{__name__}:STREAM")
    wrong: Any = STREAM
    with pytest.raises(TypeError, match=r"add \.to_list\(\)"):
        fx.run_memory_sync(wrong)
