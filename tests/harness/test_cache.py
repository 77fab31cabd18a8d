"""Against a model of prefix caching: what was sent is found again."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings

from agentfx.harness._request import canonical, marked
from tests.harness.checker import LOOK_BACK
from tests.harness.logs import seeds, world_of


def texts(body: dict[str, Any]) -> tuple[list[str], list[int]]:
    """Blocks in the order of the cache: tools, system, messages; and where marks stand."""
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    blocks += [b for m in body["messages"] for b in m["content"]]
    marks = [n for n, block in enumerate(blocks, start=1) if "cache_control" in block]
    return [canonical({k: v for k, v in b.items() if k != "cache_control"}) for b in blocks], marks


class Cache:
    """Finds the longest prefix that was written, looking back some blocks from each mark."""

    def __init__(self) -> None:
        self._written: set[tuple[str, ...]] = set()

    def ask(self, body: dict[str, Any]) -> int:
        """How many blocks are read from the cache; the marked prefixes are written."""
        blocks, marks = texts(body)
        found = 0
        for mark in marks:
            for end in range(mark, max(mark - LOOK_BACK, 0), -1):
                if tuple(blocks[:end]) in self._written:
                    found = max(found, end)
                    break
        self._written.update(tuple(blocks[:mark]) for mark in marks)
        return found


@given(seeds)
@settings(max_examples=200, deadline=None)
def test_20_a_request_reads_what_the_one_before_has_written(seed: int) -> None:
    world = world_of(seed)
    cache = Cache()
    for first, second in pairwise([None, *world.asked]):
        assert second is not None
        body = marked(second.request)
        found = cache.ask(body)
        if first is not None and first.cuts == second.cuts:
            _, marks = texts(marked(first.request))
            assert found >= max(marks)
