"""Fan-outs."""

from collections.abc import Callable
from typing import Any, cast

from agentfx.algebra._effect import A, E, Effect, R
from agentfx.algebra._structure import brief, name_of, node


@node
class ForEach(Effect[A, E, R]):
    """Run an effect for every item, at most `concurrency` at a time.

    A sliding window over the items in order. It ends with the values in the items' order, or
    with the failure of the lowest index: after a failure at i nothing new starts, started items
    below i finish, those above are cancelled.
    """

    items: tuple[Any, ...]
    f: Callable[[Any], Effect[Any, Any, Any]]
    concurrency: int
    local_only: bool

    def text(self) -> str:
        """See `Structure.text`."""
        name = "for_each_par" if self.local_only else "for_each"
        body = getattr(self.f, "id", None) or name_of(self.f)
        items = brief(self.items) if len(self.items) < 4 else f"{len(self.items):,} items"
        return f"{name}({items}, {body}, concurrency={self.concurrency})"


def window(concurrency: int) -> int:
    """Check a window's width.

    Raises:
        ValueError: It is less than 1.
    """
    if not isinstance(cast("object", concurrency), int) or concurrency < 1:
        raise ValueError(f"concurrency is at least 1, not {concurrency!r}")
    return concurrency
