"""SQL on leases: who may send a delivery, when its sending began, and what happens when its holder is gone.

A lease says who may send; `began_at` says that something may have left. What was claimed but never begun goes back
untouched; only what was begun without an outcome is unknown.
"""

from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.store.deliveries.deliveries import COLUMNS, delivery_of
from shared.db.arrays import Rows
from shared.db.statement import Statement
from shared.runtime.deadlines import LEASE_S

# The token fences: a holder whose lease expired changes nothing.
HELD: Final[Rows[StoredDelivery]] = Rows(
    tables.deliveries, {name: attrgetter(name) for name in ("id", "lease_token")}, "held_"
)
OURS: Final = "d.id = u.id AND d.state = 'claimed' AND d.lease_token = u.lease_token"
_LEASE: Final = "make_interval(secs => CAST(:lease_s AS float8))"
_RENEWED: Final = f"statement_timestamp() + {_LEASE}"
# Back to pending without counting an attempt; what was withdrawn meanwhile ends here.
_BACK: Final = """
    state = CASE WHEN d.withdrawn THEN 'cancelled' ELSE 'pending' END,
    finished_at = CASE WHEN d.withdrawn THEN statement_timestamp() END,
    lease_until = NULL, lease_token = NULL, leased_by = NULL, began_at = NULL
"""
_BEGIN: Final = Statement(f"""
    UPDATE deliveries AS d SET began_at = statement_timestamp(), lease_until = {_RENEWED}
    FROM {HELD.unnested} WHERE {OURS} AND d.began_at IS NULL AND NOT d.withdrawn
    RETURNING d.id
""")  # noqa: S608 - no input
_RENEW: Final = sa.text(f"""
    WITH ours AS (
        SELECT d.id FROM deliveries AS d JOIN {HELD.unnested} ON {OURS}
        FOR NO KEY UPDATE OF d SKIP LOCKED
    )
    UPDATE deliveries AS d SET lease_until = {_RENEWED} FROM ours WHERE d.id = ours.id
""")  # noqa: S608 - no input
_RELEASE: Final = sa.text(f"""
    UPDATE deliveries AS d SET {_BACK}
    FROM {HELD.unnested} WHERE {OURS}
""")  # noqa: S608 - no input
# A holder known to be dead is not waited for.
_END: Final = sa.text("""
    UPDATE deliveries SET lease_until = '-infinity' WHERE state = 'claimed' AND leased_by = :instance
""")
# After a restart of the database every lease counts as renewed: holders could not renew meanwhile.
_OVER: Final = f"""
    d.state = 'claimed' AND d.lease_until <= statement_timestamp() AND (
        d.lease_until = '-infinity' OR (
            :calm AND pg_postmaster_start_time() < statement_timestamp() - {_LEASE}
        )
    )
"""
_PUT_BACK: Final = Statement(f"""
    UPDATE deliveries AS d SET {_BACK}
    WHERE d.id IN (
        SELECT d.id FROM deliveries AS d WHERE {_OVER} AND d.began_at IS NULL
        ORDER BY d.lease_until LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    RETURNING d.endpoint
""")  # noqa: S608 - no input
_TAKE_OVER: Final = Statement(f"""
    WITH over AS (
        SELECT d.id, d.enrolment_id FROM deliveries AS d WHERE {_OVER} AND d.began_at IS NOT NULL
        ORDER BY d.lease_until LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE deliveries AS d SET lease_token = :token, leased_by = :instance, lease_until = {_RENEWED}
    FROM over JOIN enrolments AS e ON e.id = over.enrolment_id
    WHERE d.id = over.id
    RETURNING {COLUMNS}
""")  # noqa: S608 - no input


async def begin(conn: AsyncConnection, givens: Sequence[StoredDelivery], *, lease_s: float = LEASE_S) -> set[UUID]:
    """Mark these as begun, under a fresh lease; return those that may be sent.

    These exclude what was withdrawn, what somebody else holds by now, and what has already begun.
    """
    rows = await _BEGIN.rows(conn, _held(givens) | {"lease_s": lease_s})
    return {row["id"] for row in rows}


async def renew(conn: AsyncConnection, givens: Sequence[StoredDelivery], *, lease_s: float = LEASE_S) -> None:
    """Renew the leases still held for another `lease_s` seconds."""
    if givens:
        await conn.execute(_RENEW, _held(givens) | {"lease_s": lease_s})


async def release(conn: AsyncConnection, givens: Sequence[StoredDelivery]) -> None:
    """Return what the holder knows to be unsent: pending again without counting a try, or cancelled if withdrawn."""
    if givens:
        await conn.execute(_RELEASE, _held(givens))


async def end(conn: AsyncConnection, instance: str) -> int:
    """End the leases of this instance's previous process; return how many."""
    return (await conn.execute(_END, {"instance": instance})).rowcount


async def put_back(conn: AsyncConnection, *, most: int, calm: bool, lease_s: float = LEASE_S) -> list[str]:
    """Return what was claimed, never begun, and whose lease has expired to its queue; returns the queues.

    Unless `calm`, only leases whose holder is known to be dead are over.
    """
    rows = await _PUT_BACK.rows(conn, {"most": most, "calm": calm, "lease_s": lease_s})
    return [row["endpoint"] for row in rows]


async def take_over(
    conn: AsyncConnection, *, most: int, calm: bool, token: UUID, instance: str, lease_s: float = LEASE_S
) -> list[StoredDelivery]:
    """Take over what was begun and whose lease expired before an outcome was recorded. `calm` as in `put_back`."""
    arguments = {"most": most, "calm": calm, "token": token, "instance": instance, "lease_s": lease_s}
    return [delivery_of(row) for row in await _TAKE_OVER.rows(conn, arguments)]


def _held(givens: Collection[StoredDelivery]) -> dict[str, Any]:
    return HELD.arrays(sorted(givens, key=lambda given: given.id))  # one lock order for all
