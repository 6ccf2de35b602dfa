"""A bound on open connections. Each is an open file, and a process may have only so many of these.

Without it, whoever opens a thousand connections and says nothing keeps everybody else out, and with no file left
nothing of our own can be opened again: Kafka, the spool, the database.
"""

from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from shared.http.address_line import line_of


class OpenConnections:
    """Those of one server, by who holds them: an IPv4 address or an IPv6 /64."""

    def __init__(self, most: int) -> None:
        """`most` stay open."""
        self._most = most
        self._count = 0
        self._held: dict[str, dict[Any, None]] = {}  # the oldest first

    def add(self, connection: Any) -> None:
        """Take in a new one. Where that is one too many, close another, or the new one if all are being answered."""
        self._held.setdefault(_line(connection), {})[connection] = None
        self._count += 1
        if self._count > self._most:
            self._make_room(connection)

    def remove(self, connection: Any) -> None:
        """Forget one that has been closed; does nothing where that is so already."""
        line = _line(connection)
        held = self._held.get(line, {})
        if connection in held:
            del held[connection]
            self._count -= 1
            if not held:
                del self._held[line]

    def _make_room(self, newest: Any) -> None:
        """Close the oldest that is not being answered, of whoever holds most."""
        for held in sorted(self._held.values(), key=len, reverse=True):
            for connection in held:
                if connection is not newest and not _is_answered(connection):
                    self.remove(connection)
                    connection.transport.abort()  # what it has not read of its last answer would keep it open
                    return
        self.remove(newest)
        newest.transport.abort()


def _is_answered(connection: Any) -> bool:
    """Whether its request is here as a whole, and the answer is not yet."""
    cycle = connection.cycle
    return cycle is not None and not cycle.response_complete and not cycle.more_body


def _line(connection: Any) -> str:
    return _line_of(connection.client[0]) if connection.client else ""


@lru_cache(maxsize=10_000)
def _line_of(address: str) -> str:
    return line_of(ip_address(address.partition("%")[0]))
