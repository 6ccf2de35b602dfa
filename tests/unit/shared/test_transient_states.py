"""What Postgres says decides whether the same is tried again, and whether the connection is used again."""

import asyncpg
import pytest
from asyncpg import exceptions as said
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db.transient import is_transient, loses_connection

AWAY = (  # shut down, crashed, starting, unreachable: and the connection with it
    said.AdminShutdownError,
    said.CrashShutdownError,
    said.CannotConnectNowError,
    said.ConnectionDoesNotExistError,
    said.ConnectionFailureError,
)
FORMER_PRIMARY = said.ReadOnlySQLTransactionError
BUSY = (
    said.TooManyConnectionsError,
    said.OutOfMemoryError,
    said.DiskFullError,
    said.QueryCanceledError,
    said.PostgresIOError,
    said.SerializationError,
    said.DeadlockDetectedError,
    said.LockNotAvailableError,
    said.IdleInTransactionSessionTimeoutError,
)
NEVER = (
    said.UniqueViolationError,
    said.CheckViolationError,
    said.ForeignKeyViolationError,
    said.UndefinedTableError,
    said.NumericValueOutOfRangeError,
    said.InvalidPasswordError,
    said.ActiveSQLTransactionError,
)


@pytest.mark.parametrize("kind", [*AWAY, FORMER_PRIMARY, *BUSY])
def test_what_passes_is_tried_again_however_it_is_wrapped(kind: type[asyncpg.PostgresError]) -> None:
    error = kind("it says so")
    assert is_transient(error)
    assert is_transient(DBAPIError("SELECT 1", {}, error))
    wrapped = RuntimeError("amid something else")
    wrapped.__cause__ = error
    assert is_transient(wrapped)


@pytest.mark.parametrize("kind", NEVER)
def test_what_comes_again_is_not(kind: type[asyncpg.PostgresError]) -> None:
    error = kind("it says so")
    assert not is_transient(error)
    assert not is_transient(DBAPIError("SELECT 1", {}, error))
    error.__cause__ = OSError("of long ago")
    assert not is_transient(error), "what the server said last counts"


def test_of_a_driver_that_lost_its_way_too() -> None:
    assert is_transient(asyncpg.InterfaceError("the connection is closed"))
    assert is_transient(asyncpg.InternalClientError("unexpected message"))
    assert is_transient(PoolTimeout("no connection is free"))
    assert is_transient(DBAPIError("SELECT 1", {}, ValueError(), connection_invalidated=True))
    assert is_transient(InterfaceError("SELECT 1", {}, ValueError()))
    assert not is_transient(DBAPIError("SELECT 1", {}, ValueError()))


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = ValueError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert not is_transient(one)


@pytest.mark.parametrize("kind", [*AWAY, FORMER_PRIMARY])
def test_a_connection_that_the_server_has_ended_or_that_leads_to_no_primary_is_lost(
    kind: type[asyncpg.PostgresError],
) -> None:
    assert loses_connection(kind("it says so"))


@pytest.mark.parametrize("kind", [*BUSY, *NEVER])
def test_a_connection_on_which_one_statement_failed_is_not(kind: type[asyncpg.PostgresError]) -> None:
    assert not loses_connection(kind("it says so"))


def test_nor_is_one_after_an_error_of_our_own_but_one_whose_driver_is_confused() -> None:
    assert not loses_connection(ValueError())
    assert loses_connection(asyncpg.InternalClientError("unexpected message"))
