"""A write that failed: was it for want of room, or is the disk broken?"""

import errno
import os
import resource
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentfx.services._sqlite._room import why_no_room
from agentfx.services._sqlite._store import SqliteStore
from agentfx.services._store import StorageFullError, StoreError
from tests.services.kit import broken

LIMIT = 1_000_000


def failed(code: int) -> sqlite3.Error:
    """What SQLite raises with an extended result code."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


@contextmanager
def files_may_have(size: int) -> Generator[None]:
    """No file may grow past a size for a while."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a store that is as large as a file may get."""
    path = tmp_path / "store.db"
    Path(f"{path}-wal").write_bytes(bytes(LIMIT))
    return path


def test_a_limit_on_the_size_of_files_is_told_from_a_broken_disk(path: Path) -> None:
    with files_may_have(LIMIT):
        reason = why_no_room(failed(sqlite3.SQLITE_IOERR_WRITE), path)
    assert reason is not None
    assert "ulimit -f" in reason
    assert why_no_room(failed(sqlite3.SQLITE_IOERR_WRITE), path) is None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.ENOSPC, "the disk is full"),
        (errno.EIO, None),
    ],
)
def test_the_number_of_the_error_tells_what_there_is_no_room_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str | None
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)  # where a file system tells of a quota, at the latest
    assert why_no_room(failed(sqlite3.SQLITE_IOERR_WRITE), path) == reason


def test_a_failed_flush_is_no_want_of_room_whatever_there_is(path: Path) -> None:
    with files_may_have(LIMIT):
        assert why_no_room(failed(sqlite3.SQLITE_IOERR_FSYNC), path) is None
        assert why_no_room(failed(sqlite3.SQLITE_CORRUPT), path) is None
    assert why_no_room(sqlite3.Error("not from SQLite"), path) is None


def test_nothing_is_left_beside_the_store(path: Path) -> None:
    why_no_room(failed(sqlite3.SQLITE_IOERR_WRITE), path)
    assert [file.name for file in path.parent.iterdir()] == ["store.db-wal"]


async def test_a_store_that_may_not_grow_goes_on_once_it_may(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db", broken)
    try:
        with files_may_have(LIMIT):
            with pytest.raises(StorageFullError, match="may not grow"):
                await store.write(lambda t: t.state.put("s", "k", bytes(2 * LIMIT)))
            await store.write(lambda t: t.state.put("s", "small", b"1"))
        await store.write(lambda t: t.state.put("s", "k", b"2"))
        assert await store.read(lambda t: t.state.get("s", "small")) == b"1"
        assert await store.read(lambda t: t.state.get("s", "k")) == b"2"
    finally:
        store.close()


async def test_a_store_that_is_closed_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "store.db", broken)
    store.close()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.write(lambda t: None)
