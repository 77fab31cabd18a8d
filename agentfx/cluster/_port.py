"""Ports on loopback."""

import socket
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeldPort:
    """A port that is kept for a server, also between two lives of it.

    On Linux nobody is given a port, as by asking for any, to which a socket is bound; a server
    that names it may listen on it as long as that socket does not. Elsewhere it could not.
    """

    number: int
    _socket: socket.socket

    def close(self) -> None:
        """Let anybody have it."""
        self._socket.close()


def hold_port(wanted: int) -> HeldPort | None:
    """Keep a port, 0 for any that is free; None if somebody has it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", wanted))
    except OSError:
        held.close()
        return None
    found = HeldPort(int(held.getsockname()[1]), held)
    if sys.platform != "linux":
        held.close()
    return found


def free_port(wanted: int | None) -> HeldPort:
    """A free port: the wanted one if it is."""
    held = hold_port(wanted or 0) or hold_port(0)
    if held is None:
        raise OSError("no port is free on 127.0.0.1")
    return held
