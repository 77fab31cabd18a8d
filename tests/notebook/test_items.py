"""Items of a fan-out, of which most are but a letter until somebody opens their strip."""

from hypothesis import given
from hypothesis import strategies as st

from agentfx.notebook._view import View
from tests.notebook.streams import Event, streams
from tests.notebook.test_view import fed, tables


@given(streams(), st.integers(0, 400), st.integers(0, 2))
def test_items_are_the_same_whenever_their_strip_was_opened(
    events: list[Event], number: int, page: int
) -> None:
    early, late = View("r"), fed(events[:number])
    for view, told in ((early, events), (late, events[number:])):
        for scope in range(1, 20):
            view.open(str(scope), page)
        fed(told, view)
    for table in ("run", "nodes"):
        assert tables(early).get(table) == tables(late).get(table)
