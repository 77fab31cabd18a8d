"""Where a cluster lives: `.agentfx/` in the working folder."""

import hashlib
import json
import os
import platform
import stat
import tempfile
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

import psutil

from agentfx._errors import AgentfxError


class HomeError(AgentfxError):
    """A folder cannot be the home of a cluster."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """How to reach the cluster that runs in a home; readable by its owner alone.

    Attributes:
        url: Of the engine.
        token: For it.
        pid: Of the supervisor; `born` tells that process from a later one with its pid.
        control: Path of the supervisor's socket.
    """

    url: str
    token: str = field(repr=False)
    pid: int
    born: float
    control: str


class Home:
    """The folder of a cluster: store, bundles of code, discovery file.

    Args:
        path: The folder; made when it is first needed, for its owner alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def of(cls, path: str | os.PathLike[str] | None = None) -> "Home":
        """The home given, else `AGENTFX_HOME`, else `.agentfx` in the working folder."""
        return cls(Path(path or os.environ.get("AGENTFX_HOME") or ".agentfx"))

    def make(self) -> None:
        """Make the folder.

        Raises:
            HomeError: It cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_others()
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise HomeError(
                f"{self.path} cannot be the home of a cluster ({error.strerror}): give --home, or "
                "set AGENTFX_HOME, to a folder that you may write"
            ) from error

    def _refuse_others(self) -> None:
        """Whoever writes into a home decides what its workers run, and where its users connect."""
        state = self.path.stat()
        if os.getuid() not in (0, state.st_uid):
            raise HomeError(f"{self.path} belongs to somebody else: give another --home")
        if state.st_mode & stat.S_IWOTH:
            raise HomeError(
                f"anybody may write into {self.path}: `chmod o-w {self.path}`, or give another "
                "--home"
            )

    @property
    def store(self) -> Path:
        """The database."""
        return self.path / "store.db"

    @cached_property  # a worker asks for it with every job
    def mark(self) -> str:
        """Tells this home from all others, on this machine and elsewhere."""
        return hashlib.sha256(f"{platform.node()}:{self.path.resolve()}".encode()).hexdigest()[:16]

    @property
    def bundles(self) -> Path:
        """The folder of code bundles."""
        return self.path / "bundles"

    @property
    def log(self) -> Path:
        """What the processes of the cluster print."""
        return self.path / "cluster.log"

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.path / "supervisor.lock"

    @property
    def control(self) -> Path:
        """The supervisor's socket: in a short folder, since socket paths are limited to 104."""
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"agentfx-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise HomeError(f"{folder} belongs to somebody else: remove it, or set TMPDIR")
        return folder / f"{digest}.sock"

    def announce(self, discovery: Discovery) -> None:
        """Write the discovery file."""
        write_private(self.path / "cluster.json", json.dumps(asdict(discovery)).encode())

    def withdraw(self) -> None:
        """Remove the discovery file."""
        (self.path / "cluster.json").unlink(missing_ok=True)

    def find(self) -> Discovery | None:
        """The cluster that runs here, None if none does, or if somebody else says so."""
        try:
            with (self.path / "cluster.json").open() as file:
                if os.getuid() not in (0, os.fstat(file.fileno()).st_uid):
                    return None
                found = Discovery(**json.load(file))
        except (OSError, ValueError, TypeError):
            return None
        return found if is_alive(found.pid, found.born) else None

    def address(self) -> tuple[int, str] | None:
        """Port and token of the engine's last life: kept, so that everybody reconnects."""
        try:
            port, token = json.loads((self.path / "engine.json").read_text())
        except (OSError, ValueError):
            return None
        return int(port), str(token)

    def keep_address(self, port: int, token: str) -> None:
        """Remember port and token for the engine's next life."""
        write_private(self.path / "engine.json", json.dumps([port, token]).encode())


def write_private(path: Path, data: bytes) -> None:
    """Write a file at once and for its owner alone."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.replace(path)


def open_private(path: Path) -> IO[bytes]:
    """Open a file to append to it; a new one is its owner's alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def is_alive(pid: int, born: float) -> bool:
    """Whether a process still runs; `born` tells it from a later one with its pid."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - born) < 0.5
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
