"""A connection to a service's schema, for commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cli.unreachable import Unreachable
from shared import log
from shared.db.engine import make_engine
from shared.db.transient import is_transient

_NO_SUCH_TABLE: Final = "42P01"
_NOT_LET_IN: Final = ("28000", "28P01", "3D000")  # user, password, no such database


@asynccontextmanager
async def connected(database_url: str, service: str) -> AsyncIterator[AsyncConnection]:
    """A transaction in the schema of a service. Raises Unreachable when Postgres does not answer."""
    engine = make_engine(database_url, application="firsthour-command", schema=service, pool_size=1)
    try:
        async with engine.begin() as conn:
            yield conn
    except Exception as error:
        state = getattr(getattr(error, "orig", error), "sqlstate", None)  # SQLAlchemy's, or the driver's own
        if state == _NO_SUCH_TABLE:
            raise Unreachable(
                f"the schema {service} is not there, or is older than this command; see `firsthour migrate`"
            ) from None
        if state in _NOT_LET_IN:
            raise Unreachable(f"Postgres does not let us in ({log.reason(error)}); see FIRSTHOUR_DATABASE") from None
        if not is_transient(error):
            raise
        raise Unreachable(f"Postgres did not answer ({log.reason(error)}); see FIRSTHOUR_DATABASE") from None
    finally:
        await engine.dispose()
