"""SQL on the state of endpoints: disabled, throttled or failing, and the deliveries stranded at a disabled one."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.store.deliveries.deliveries import COLUMNS, delivery_of
from shared.runtime.deadlines import LEASE_S

_DISABLE: Final = sa.text("""
    INSERT INTO endpoint_state (name, disabled_at, disabled_because)
    VALUES (:name, statement_timestamp(), :reason)
    ON CONFLICT (name) DO UPDATE SET disabled_at = excluded.disabled_at, disabled_because = excluded.disabled_because
    WHERE endpoint_state.disabled_at IS NULL
""")
_DISABLED: Final = sa.text("SELECT name FROM endpoint_state WHERE disabled_at IS NOT NULL")
_SLOW: Final = sa.text("""
    INSERT INTO endpoint_state AS s (name, slowed_until)
    VALUES (:name, statement_timestamp() + make_interval(secs => :seconds))
    ON CONFLICT (name) DO UPDATE SET slowed_until = GREATEST(s.slowed_until, excluded.slowed_until)
""")
_ENABLE: Final = sa.text("DELETE FROM endpoint_state WHERE name = :name")
_FAILING: Final = sa.text("""
    INSERT INTO endpoint_state AS s (name, failing_since, failing_because)
    VALUES (:name, statement_timestamp(), :reason)
    ON CONFLICT (name) DO UPDATE
    SET failing_since = coalesce(s.failing_since, excluded.failing_since), failing_because = excluded.failing_because
""")
_FAILING_NOW: Final = sa.text("SELECT name FROM endpoint_state WHERE failing_since IS NOT NULL")
# A delivery with a deadline waits for that (deliveries/overdue.py); one without waits for a person, but not for ever.
_STRANDED: Final = sa.text(f"""
    WITH stranded AS (
        SELECT d.id, d.enrolment_id FROM deliveries AS d JOIN endpoint_state AS s ON s.name = d.endpoint
        WHERE d.endpoint = ANY(CAST(:names AS text[])) AND s.disabled_at IS NOT NULL AND d.state = 'pending'
            AND d.expires_at IS NULL AND (
                d.fallback_target IS NOT NULL
                OR d.due_at <= statement_timestamp() - make_interval(secs => CAST(:patience_s AS float8))
            )
        LIMIT :most FOR NO KEY UPDATE OF d SKIP LOCKED
    )
    UPDATE deliveries AS d
    SET state = 'claimed', claimed_at = statement_timestamp(), lease_token = :token, leased_by = :instance,
        lease_until = statement_timestamp() + make_interval(secs => {LEASE_S})
    FROM stranded JOIN enrolments AS e ON e.id = stranded.enrolment_id
    WHERE d.id = stranded.id
    RETURNING {COLUMNS}
""")  # noqa: S608 - no input


async def disable(conn: AsyncConnection, name: str, reason: str) -> bool:
    """Disable it until a person enables it. False if it was disabled already."""
    return (await conn.execute(_DISABLE, {"name": name, "reason": reason})).rowcount > 0


async def disabled(conn: AsyncConnection) -> set[str]:
    return set((await conn.execute(_DISABLED)).scalars())


async def slow_down(conn: AsyncConnection, name: str, seconds: float) -> None:
    """Send nothing to it for so many seconds."""
    await conn.execute(_SLOW, {"name": name, "seconds": seconds})


async def enable(conn: AsyncConnection, name: str) -> None:
    await conn.execute(_ENABLE, {"name": name})


async def failing(conn: AsyncConnection, name: str, reason: str) -> None:
    """It refuses us or is unreachable, for this reason."""
    await conn.execute(_FAILING, {"name": name, "reason": reason})


async def failing_now(conn: AsyncConnection) -> set[str]:
    """Endpoints that the last attempt did not reach."""
    return set((await conn.execute(_FAILING_NOW)).scalars())


async def claim_stranded(
    conn: AsyncConnection, names: Collection[str], *, patience_s: float, most: int, token: UUID, instance: str
) -> list[StoredDelivery]:
    """Claim deliveries without a deadline at disabled endpoints: at once if they have a fallback, else later."""
    arguments = {"names": list(names), "patience_s": patience_s, "most": most, "token": token, "instance": instance}
    return [delivery_of(row) for row in await conn.execute(_STRANDED, arguments)]
