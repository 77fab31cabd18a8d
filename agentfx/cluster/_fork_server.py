"""A process that forks workers and engines, with everything already imported.

Importing takes most of a second; forking takes milliseconds. The supervisor forks the server as
well, before it has threads or files. The server itself has one thread and opens no connection, so
a fork is safe. It reads requests from its supervisor's socket and tells it there which children
have ended; when the supervisor is gone, however it ended, the server ends, and so do its children.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.backends import ConnectionFailedError, preload
from agentfx.cluster._engine_process import run_engine
from agentfx.cluster._foreign import run_foreign
from agentfx.cluster._options import (
    REFUSED,
    EngineOptions,
    ForeignOptions,
    ServicesOptions,
    WorkerOptions,
)
from agentfx.cluster._refusal import say_why
from agentfx.cluster._services_process import run_services
from agentfx.cluster._worker import run_worker

MAIN: dict[str, Callable[[dict[str, Any]], int]] = {
    "worker": lambda options: run_worker(WorkerOptions(**options)),
    "engine": lambda options: run_engine(EngineOptions(**options)),
    "services": lambda options: run_services(ServicesOptions(**options)),
    "foreign": lambda options: run_foreign(ForeignOptions(**options)),
}


@dataclass(frozen=True, slots=True)
class ForkServer:
    """The supervisor's end of a fork server.

    Attributes:
        pid: Of the server.
        channel: Requests and answers, a JSON text a line.
        leash: The only write end of a pipe: when the supervisor ends, every reader sees its end.
    """

    pid: int
    channel: socket.socket
    leash: int


def start_fork_server() -> ForkServer:
    """Import everything and fork the server; called while nothing is open that it would inherit."""
    _import_everything()
    gc.freeze()  # what is imported stays: no collection, of no child, has to look at it again
    ours, theirs = socket.socketpair()
    leash_read, leash = os.pipe()
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(leash_read)
        return ForkServer(pid, ours, leash)
    try:
        ours.close()
        os.close(leash)
        os.setsid()
        _serve(theirs, leash_read)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _serve(channel: socket.socket, leash: int) -> None:
    """Fork on request until the supervisor is gone."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, _woken)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is not for us
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    own = (channel.fileno(), wake_read, wake_write)
    begun = b""
    while True:
        for key, _ in selector.select():
            if key.fileobj is channel:
                data = _read(channel)
                if not data:
                    return
                *requests, begun = (begun + data).split(b"\n")
                for request in requests:  # those of workers that died together come together
                    _answer(channel, _fork(json.loads(request), leash, own))
            else:
                os.read(wake_read, 4096)
                _reap(channel)


def _read(channel: socket.socket) -> bytes:
    try:
        return channel.recv(65536)
    except ConnectionError:
        return b""


def _woken(number: int, frame: object) -> None:
    """Signals only have to wake the selector, by the wakeup descriptor."""


def _import_everything() -> None:
    """What children need, imported once."""
    import cloudpickle  # type: ignore[import-untyped]  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
    import pydantic  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import websockets.asyncio.client  # pyright: ignore[reportUnusedImport]
    import websockets.asyncio.server  # noqa: F401  # pyright: ignore[reportUnusedImport]

    preload()


def _answer(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the supervisor is gone: the next read says so
        channel.sendall(json.dumps(message).encode() + b"\n")


def _fork(request: dict[str, Any], leash: int, own: tuple[int, ...]) -> dict[str, Any]:
    pid = os.fork()
    if pid:
        return {"forked": request["id"], "pid": pid}
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in own:
            os.close(descriptor)
        os.setsid()  # a group of its own, so that it can be killed with all it starts
        threading.Thread(target=_die_with, args=(leash,), daemon=True).start()
        status = MAIN[request["kind"]](request["options"])
    except ConnectionFailedError as error:
        say_why(error)  # the engine may be back the next time
    except AgentfxError as error:
        say_why(error)
        status = REFUSED
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_with(leash: int) -> None:
    """End this process, and its group, when the supervisor has ended."""
    while os.read(leash, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _reap(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _answer(channel, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})
