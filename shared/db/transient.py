"""Which database errors mean "try the same thing again" and which mean "this statement can never work"."""

from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# SQLSTATE classes: 08 connection, 53 out of resources, 57 operator intervention (shutdown, cancel), 58 system.
_TRANSIENT_CLASSES = ("08", "53", "57", "58")
READ_ONLY = "25006"  # a failover left us on a server that is no primary any more
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "25P03", READ_ONLY})  # serialisation, deadlock, lock, idle


def is_transient(error: BaseException) -> bool:
    """Whether repeating the same transaction may work: the server is away, busy, or lost a race with another."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    for cause in _causes(error):
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES
        if isinstance(cause, OSError | TimeoutError | PoolTimeout | asyncpg.InterfaceError):
            return True
    return isinstance(error, InterfaceError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)
        current = original if isinstance(original, BaseException) else current.__cause__
