"""Which errors mean "try the same thing again" and which mean "this statement can never work"."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.errors import Transient

# SQLSTATE classes: 08 connection, 53 out of resources, 57 operator intervention (shutdown, cancel), 58 system.
_TRANSIENT_CLASSES = ("08", "53", "57", "58")
_CONNECTION = asyncpg.InterfaceError | asyncpg.InternalClientError
_READ_ONLY = "25006"  # after a failover we are connected to the former primary
_ENDS = ("08", "57P")  # the connection was lost, or the server ends it: a shutdown, a crash
_TRANSIENT_STATES = frozenset({"40001", "40P01", "55P03", "25P03", _READ_ONLY})  # serialisation, deadlock, lock, idle


def is_transient(error: BaseException) -> bool:
    """Whether repeating the same transaction may work: the server is away, busy, or lost a race with another."""
    if isinstance(error, Transient):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    for cause in _causes(error):
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES
        if isinstance(
            cause, OSError | TimeoutError | PoolTimeout | asyncpg.InterfaceError | asyncpg.InternalClientError
        ):
            return True
    return isinstance(error, InterfaceError)


def loses_connection(error: BaseException) -> bool:
    """Whether a connection on which the server or the driver said this is of no use any more, even if it still stands.

    The server has ended it or is no primary, or its last words came before its end was seen: the driver then finds it
    amid something else.
    """
    state = getattr(error, "sqlstate", None) or ""
    return state == _READ_ONLY or state.startswith(_ENDS) or isinstance(error, asyncpg.InternalClientError)


class Suppressed:
    """Suppresses the errors that `judge` picks, and keeps the one that came as `error`."""

    def __init__(self, judge: Callable[[BaseException], bool]) -> None:
        self._judge = judge
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        """Begin; `error` is None."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Keep a picked error; any other, and cancellation, propagates."""
        if not isinstance(error, Exception) or not self._judge(error):
            return False
        self.error = error
        return True


def suppress_transient(judge: Callable[[BaseException], bool] = is_transient) -> Suppressed:
    """Let work fail that is retried later. `error` of the value bound by `with … as` is the error, or None.

    Cancellation is never suppressed.
    """
    return Suppressed(judge)


def suppress_unless_transient(judge: Callable[[BaseException], bool] = is_transient) -> Suppressed:
    """Keep an error that would come again however often the same is tried; a transient one propagates."""
    return Suppressed(lambda error: not judge(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)
        current = original if isinstance(original, BaseException) else current.__cause__
