"""Streams as data: a source, and stages that its items pass through.

A stream does nothing by itself; `to_list` makes an effect of it.
"""

from collections.abc import AsyncIterable, Callable
from typing import Any, Generic, Never, TypeAlias, overload

from typing_extensions import TypeVar

from agentfx.algebra._effect import Effect, positive
from agentfx.algebra._fence import Fence
from agentfx.algebra._for_each import window
from agentfx.algebra._structure import Structure, brief, function_given, name_of, node

A = TypeVar("A", covariant=True)
E = TypeVar("E", covariant=True, default=Never)
R = TypeVar("R", covariant=True, default=Never)
B = TypeVar("B")
E2 = TypeVar("E2")
R2 = TypeVar("R2")

Source: TypeAlias = AsyncIterable[B] | Callable[[int], AsyncIterable[B]]


class Stream(Structure, Generic[A, E, R]):
    """Values that come one after another; operators mean what they mean in Rx.

    Example:
        fx.Stream.of("a", "b").switch_map(lambda text, fence: think(text)).to_list()
    """

    __slots__ = ()

    @staticmethod
    def of(*items: B) -> "Stream[B]":
        """These items, all at once, in this order."""
        return Of(items)

    @overload
    @staticmethod
    def from_async_iterable(source: AsyncIterable[B], *, returns: Any = ...) -> "Stream[B]": ...
    @overload
    @staticmethod
    def from_async_iterable(
        source: Callable[[int], AsyncIterable[B]], *, returns: Any = ...
    ) -> "Stream[B]": ...
    @staticmethod
    def from_async_iterable(source: Any, *, returns: Any = None) -> "Stream[Any]":
        """Items as they arrive; under dist each is on record before anything is done with it.

        Args:
            source: An async iterable: a resumed run goes on with what it yields from then on. Or
                a function that is given how many items are on record, and yields what follows.
            returns: The type by which a journal rebuilds an item.
        """
        if not (callable(source) or hasattr(source, "__aiter__")):
            raise TypeError(
                f"from_async_iterable takes an async iterable, or a function that returns one, not "
                f"{brief(source)}: items that are there already are fx.Stream.of(*items)"
            )
        return Arriving(source, returns)

    def map(self, f: Callable[[A], B]) -> "Stream[B, E, R]":
        """Apply a function to every item."""
        return Mapped(self, function_given(f, "map"))

    def debounce(self, seconds: float) -> "Stream[A, E, R]":
        """Let an item pass when nothing follows it for some time; the last one passes at the end.

        Raises:
            ValueError: `seconds` is not positive.
        """
        return Debounced(self, positive(seconds))

    def take(self, count: int) -> "Stream[A, E, R]":
        """The first items; then everything before this is cancelled.

        Raises:
            ValueError: `count` is negative.
        """
        if count < 0:
            raise ValueError(f"take is given a number of items from 0, not {count}")
        return Taken(self, count)

    def merge_map(
        self, f: "Callable[[A], Effect[B, E2, R2]]", concurrency: int = 8
    ) -> "Stream[B, E | E2, R | R2]":
        """Run an effect for every item, some at a time; values come as they are ready.

        Raises:
            ValueError: `concurrency` is less than 1.
        """
        return Merged(self, function_given(f, "merge_map"), window(concurrency))

    def concat_map(self, f: "Callable[[A], Effect[B, E2, R2]]") -> "Stream[B, E | E2, R | R2]":
        """Run an effect for every item, one after another; values come in the items' order."""
        return Merged(self, function_given(f, "concat_map"), 1)

    def switch_map(
        self, f: "Callable[[A, Fence], Effect[B, E2, R2]]", *, fence: str | None = None
    ) -> "Stream[B, E | E2, R | R2]":
        """Run an effect for the latest item: a newer one cancels it and takes its place.

        What cannot be cancelled, or runs elsewhere, is kept from having effects by the fence:
        see `Fence.guard`.

        Args:
            f: Given the item, and the fence of its epoch.
            fence: A name by which several runs share one fence: an item in one of them
                supersedes those of all. Without it the fence is this stream's own.
        """
        return Switched(self, function_given(f, "switch_map", "lambda item, fence: …"), fence)

    def to_list(self) -> "Effect[list[A], E, R]":
        """An effect that runs the stream to its end; its values in the order they came."""
        return Collect(self)


AnyStream: TypeAlias = Stream[Any, Any, Any]


@node
class Of(Stream[A]):
    """A source whose items are known."""

    items: tuple[Any, ...]

    def text(self) -> str:
        """See `Structure.text`."""
        many = len(self.items) > 5
        items = f"{len(self.items):,} items" if many else ", ".join(map(brief, self.items))
        return f"Stream.of({items})"


@node
class Arriving(Stream[A]):
    """A source whose items come in time."""

    source: Any
    returns: Any

    def text(self) -> str:
        """See `Structure.text`."""
        named = name_of(self.source) if callable(self.source) else type(self.source).__name__
        return f"Stream.from_async_iterable({named})"


@node
class Mapped(Stream[A, E, R]):
    """Apply a function."""

    first: AnyStream
    f: Callable[[Any], Any]

    def text(self) -> str:
        """See `Structure.text`."""
        return f".map({name_of(self.f)})"


@node
class Debounced(Stream[A, E, R]):
    """Wait for silence."""

    first: AnyStream
    seconds: float

    def text(self) -> str:
        """See `Structure.text`."""
        return f".debounce({self.seconds:g})"


@node
class Taken(Stream[A, E, R]):
    """The first items."""

    first: AnyStream
    count: int

    def text(self) -> str:
        """See `Structure.text`."""
        return f".take({self.count})"


@node
class Merged(Stream[A, E, R]):
    """Run an effect for every item, some at a time."""

    first: AnyStream
    f: Callable[[Any], Effect[Any, Any, Any]]
    concurrency: int

    def text(self) -> str:
        """See `Structure.text`."""
        if self.concurrency == 1:
            return f".concat_map({name_of(self.f)})"
        return f".merge_map({name_of(self.f)}, {self.concurrency})"


@node
class Switched(Stream[A, E, R]):
    """Run an effect for the latest item."""

    first: AnyStream
    f: Callable[[Any, Fence], Effect[Any, Any, Any]]
    fence: str | None

    def text(self) -> str:
        """See `Structure.text`."""
        return f".switch_map({name_of(self.f)})"


Stage: TypeAlias = (
    Mapped[Any, Any, Any]
    | Debounced[Any, Any, Any]
    | Taken[Any, Any, Any]
    | Merged[Any, Any, Any]
    | Switched[Any, Any, Any]
)


@node
class Collect(Effect[A, E, R]):
    """Run a stream to its end."""

    first: AnyStream

    def text(self) -> str:
        """See `Structure.text`."""
        return ".to_list()"


def stages_of(stream: AnyStream) -> tuple[Of[Any] | Arriving[Any], list[Stage]]:
    """The source of a stream, and its stages from there.

    Raises:
        TypeError: It is no stream that `Stream` makes.
    """
    stages: list[Stage] = []
    current: AnyStream = stream
    while isinstance(current, (Mapped, Debounced, Taken, Merged, Switched)):
        stages.append(current)
        current = current.first
    if not isinstance(current, (Of, Arriving)):
        raise TypeError(f"{brief(current)} is no source of a stream")
    stages.reverse()
    return current, stages
