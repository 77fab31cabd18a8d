"""Whether a write failed only because there was no room for it."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

_PROBE_BYTES = 64 * 1024
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the store may not grow: a limit on the size of files (`ulimit -f`) is reached",
}


def why_no_room(error: sqlite3.Error, path: Path) -> str | None:
    """What there is no room for, None if a write failed for another reason.

    SQLite tells of a full disk. A quota and a limit on the size of files are any other failed
    write to it, as a dying disk is, so those are asked for by a write of our own. A failed
    `fsync` is none of them, whatever its cause: nobody knows what is on the disk then.

    Args:
        error: What SQLite raised.
        path: Of the store.
    """
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return _REASONS[errno.ENOSPC]
    return _REASONS.get(_probe(path)) if code == sqlite3.SQLITE_IOERR_WRITE else None


def _probe(path: Path) -> int:
    """Write as far out as the store had to, in a file beside it; the error's number, or 0."""
    files = (path, Path(f"{path}-wal"))
    furthest = max((file.stat().st_size for file in files if file.exists()), default=0)
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.seek(furthest)
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno or 0
    return 0
