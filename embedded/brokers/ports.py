"""Ports on the loopback address: free ones, and who holds a taken one."""

import contextlib
import secrets
import socket
from collections.abc import Collection
from typing import Final

import psutil

LOOPBACK: Final = "127.0.0.1"
# Below the ephemeral range of outgoing connections, so that a killed server finds its port free again.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(besides: Collection[int] = ()) -> int:
    """A free port that is not among `besides`."""
    for _attempt in range(1000):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if port not in besides and is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")


def holder(port: int) -> str:
    """Who listens on the port (`java (pid 12)`), as far as this user may see; else ""."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
