"""The services' rows in one SQLite file: WAL, `synchronous=FULL`, one writer, one reader."""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from agentfx.services._sqlite._migrations import migrate
from agentfx.services._sqlite._transaction import SqliteTransaction
from agentfx.services._sqlite._writer import Writer, primary_code
from agentfx.services._store import (
    StorageFullError,
    StoreError,
    StoreLockedError,
    Transaction,
)

T = TypeVar("T")
_IN_MEMORY = ("tmpfs", "ramfs")


class SqliteStore:
    """A `Store` on one file, open in one process at a time.

    Args:
        path: The database file; its folder exists.
        on_broken: Called on the loop when the disk failed under a commit.
        loop: Of those who use it; the running one without it.

    Raises:
        StoreLockedError: Another process has it open.
        StoreTooNewError: A newer agentfx wrote it.
    """

    def __init__(
        self,
        path: Path,
        on_broken: Callable[[BaseException], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreLockedError(
                f"{path} is open in another engine: end that one (`agentfx down`, if it is a "
                "cluster), or give another --home"
            ) from None
        try:
            self._open_both(path)
        except sqlite3.Error as error:
            self._lock.release()
            raise _why_not(path, error) from error
        except BaseException:
            self._lock.release()
            raise
        self._writer = Writer(self._writing, path, loop or asyncio.get_running_loop(), on_broken)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="agentfx-store-read")

    def _open_both(self, path: Path) -> None:
        with suppress(OSError):  # what is wrong with the path, SQLite says as well
            # Its owner's alone, with all that SQLite puts beside it. Only a new file: to close
            # one that SQLite has open would drop its locks.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with ExitStack() as opened:
            self._writing = _open(path, opened)
            migrate(self._writing, str(path))
            self._reading = _open(path, opened)
            self._reading.execute("PRAGMA query_only = ON")
            opened.pop_all()
        self._written = SqliteTransaction(self._writing)
        self._read = SqliteTransaction(self._reading)

    def write(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """See `Store.write`."""
        return self._writer.submit(lambda: operation(self._written))

    def read(self, query: Callable[[Transaction], T]) -> Awaitable[T]:
        """See `Store.read`."""
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(self._reader, self._snapshot, query)
        except RuntimeError as error:
            raise StoreError("the store is closed") from error

    def _snapshot(self, query: Callable[[Transaction], T]) -> T:
        # One transaction, so that all of a query's statements see the same commit.
        self._reading.execute("BEGIN")
        try:
            return query(self._read)
        finally:
            self._reading.execute("ROLLBACK")

    @property
    def lossy(self) -> str | None:
        """See `Store.lossy`."""
        kind = _filesystem(self._path)
        if kind in _IN_MEMORY:
            return f"{self._path.parent} is on {kind}, which is memory: it is empty after a reboot"
        return None

    @property
    def waiting(self) -> int:
        """See `Store.waiting`."""
        return self._writer.waiting

    def close(self) -> None:
        """See `Store.close`."""
        self._writer.close()
        self._reader.shutdown()
        self._reading.close()
        self._writing.close()
        self._lock.release()


def _filesystem(path: Path) -> str | None:
    """The kind of file system that a file is on, None if it cannot be known."""
    import psutil

    whole = str(path.resolve())
    mounts = [p for p in psutil.disk_partitions(all=True) if _is_under(whole, p.mountpoint)]
    deepest = max(mounts, key=lambda p: len(p.mountpoint), default=None)
    return None if deepest is None else deepest.fstype


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _why_not(path: Path, error: sqlite3.Error) -> StoreError:
    match primary_code(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(
                f"{path} is no store of agentfx, or is damaged ({error}): move it away, or give "
                "another --home"
            )
        case sqlite3.SQLITE_FULL | sqlite3.SQLITE_IOERR:
            return StorageFullError(
                f"{path} cannot be written ({error}): make room on its disk, or for its owner "
                "(quota, `ulimit -f`)"
            )
        case _:
            return StoreError(f"{path} cannot be opened ({error}): give another --home")


def _open(path: Path, opened: ExitStack) -> sqlite3.Connection:
    made = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection = opened.enter_context(closing(made))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
