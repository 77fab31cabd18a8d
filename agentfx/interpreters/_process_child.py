"""The other end of `_process`: runs functions that its parent sends over a pipe."""

import contextlib
import io
import os
import pickle
import queue
import struct
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO

from agentfx.interpreters._by_value import dumps

_HEADER = struct.Struct("!cI")


class _Output(io.TextIOBase):
    """Standard output, as frames to the parent."""

    def __init__(self, send: Callable[[bytes, bytes], None]) -> None:
        self._send = send

    def write(self, text: str) -> int:
        self._send(b"o", text.encode())
        return len(text)


def _raise(error: BaseException) -> Any:
    raise error


def _value(value: Any) -> Any:
    return value


def _serve(function: Callable[[], Any]) -> bytes:
    try:
        return dumps(partial(_value, function()))
    except BaseException as error:
        try:
            return dumps(partial(_raise, error))
        except Exception:
            return dumps(partial(_raise, RuntimeError(repr(error))))


def _read(source: BinaryIO, calls: "queue.SimpleQueue[bytes]") -> None:
    while len(header := source.read(_HEADER.size)) == _HEADER.size:
        _, size = _HEADER.unpack(header)
        calls.put(source.read(size))
    os._exit(0)  # the parent is gone, also while a function runs


def main() -> None:
    """Serve calls until the parent ends."""
    source = os.fdopen(os.dup(0), "rb")
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what C code prints must not break the frames

    def send(kind: bytes, body: bytes) -> None:
        target.write(_HEADER.pack(kind, len(body)) + body)
        target.flush()

    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, calls), daemon=True).start()
    while True:
        path, function = pickle.loads(calls.get())  # noqa: S301 - from the parent's private pipe
        sys.path[:] = path
        with contextlib.redirect_stdout(_Output(send)):
            answer = _serve(function)
        send(b"r", answer)


if __name__ == "__main__":
    main()
