"""The port to durable storage: one writer, transactions, no SQL outside an implementation."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class StoreError(Exception):
    """A store could not be opened, or an operation could not be made durable."""


class StoreLockedError(StoreError):
    """Another engine has this store open."""


class StoreTooNewError(StoreError):
    """The store was written by a newer version of agentfx."""


class StorageFullError(StoreError):
    """The disk is full: nothing of the operation was kept, and it may be tried again."""


class Transaction(Protocol):
    """The rows of the services, inside one transaction."""


class Store(Protocol):
    """Durable rows behind one writer.

    Operations run one at a time, in the order they were given; those that wait together are
    committed together. An operation sees all that came before it, and its result is handed
    over only after the commit that holds it.
    """

    def write(self, operation: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run an operation; what it raises undoes it alone and reaches its caller alone.

        Raises:
            StorageFullError: The disk is full; nothing of the operation was kept.
            StoreError: The commit failed; nothing of the operation was kept.
        """
        ...

    def read(self, query: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run a query on what is committed, beside the writer."""
        ...

    @property
    def waiting(self) -> int:
        """How many operations wait for their commit."""
        ...

    def close(self) -> None:
        """Commit what waits, then release the store."""
        ...
