"""One thread that commits whatever has piled up since its last commit."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from agentfx.services._sqlite._room import why_no_room
from agentfx.services._store import StorageFullError, StoreError

T = TypeVar("T")
BATCH_LIMIT = 512
# Primary result codes that concern the storage itself, not the statement that met them.
STORAGE_CODES = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_NOMEM,
    }
)


def primary_code(error: sqlite3.Error) -> int | None:
    """The primary result code of an error, None for one that SQLite itself did not raise."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    operation: Callable[[], T]
    future: asyncio.Future[T]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Runs operations in order on one connection, many to a commit.

    Args:
        connection: In autocommit mode; used by the writer's thread alone once started.
        path: Of the file that it is on.
        loop: Where futures are resolved.
        on_broken: Called on the loop when a commit fails for a reason other than a lack of
            room: what the operating system did with the pages is unknown, so the process
            should end and start again on what is on the disk.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self._connection, self._path = connection, path
        self._loop, self._on_broken = loop, on_broken
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="agentfx-store", daemon=True)
        self._closed = False
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many operations wait for their commit."""
        return self._queue.qsize()

    def submit(self, operation: Callable[[], T]) -> asyncio.Future[T]:
        """Queue an operation; the future ends after the commit that holds it."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closed:
            future.set_exception(StoreError("the store is closed"))
            future.exception()  # who is about to end as well need not look at it
        else:
            self._queue.put(_Job(operation, future))
        return future

    def close(self) -> None:
        """Commit what waits, then end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            batch, ended = self._gather(job)
            broken = self._commit(batch)
            self._hand_over(batch, broken)
            if ended or broken:
                return

    def _gather(self, first: _Job[Any]) -> tuple[list[_Job[Any]], bool]:
        batch = [first]
        while len(batch) < BATCH_LIMIT:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
            if job is None:
                return batch, True
            batch.append(job)
        return batch, False

    def _commit(self, batch: list[_Job[Any]]) -> BaseException | None:
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            for job in batch:
                self._attempt(job)
            execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            reason = why_no_room(error, self._path)
            failure = StorageFullError(reason) if reason else StoreError(str(error))
            failure.__cause__ = error
            for job in batch:
                job.error = failure
            return None if reason else failure
        return None

    def _attempt(self, job: _Job[Any]) -> None:
        # A savepoint for each, so that one operation's failure undoes that one alone.
        execute = self._connection.execute
        execute("SAVEPOINT operation")
        try:
            job.result = job.operation()
        except BaseException as error:
            if isinstance(error, sqlite3.Error) and primary_code(error) in STORAGE_CODES:
                raise
            job.error = error  # whatever else it raised belongs to its caller
            execute("ROLLBACK TO operation")
        execute("RELEASE operation")

    def _hand_over(self, batch: list[_Job[Any]], broken: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._resolve, batch, broken)
        except RuntimeError:  # the loop ended first: nobody waits any more
            return

    def _resolve(self, batch: list[_Job[Any]], broken: BaseException | None) -> None:
        for job in batch:
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        if broken is not None:
            self._on_broken(broken)
