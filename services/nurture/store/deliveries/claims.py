"""SQL of the deliverer: finding what is due, claiming it under a lease, recording its outcome.

Times that decide (due, lease) are the database's, so that the clocks of processes need not agree.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.store.deliveries.deliveries import COLUMNS, delivery_of
from services.nurture.store.deliveries.leases import HELD, OURS
from shared.db.arrays import Rows
from shared.db.statement import Statement
from shared.db.tables.facts import Fact, carriers, inserted_from
from shared.runtime.deadlines import LEASE_S


class Told(NamedTuple):
    """A fact that is true once the attempt of `delivery_id` is recorded in `state`."""

    delivery_id: UUID
    state: str
    fact: Fact


class AttemptRow(Struct, frozen=True):
    """The outcome of one attempt. `state` pending: again after `wait_s` seconds."""

    given: StoredDelivery
    started_at: datetime
    finished_at: datetime
    state: str
    outcome: str
    wait_s: float
    status: int | None
    reason: str | None
    excerpt: str | None


_WAITING: Final = Statement("""
    SELECT q.name, extract(epoch FROM min(first.due_at) - statement_timestamp()) AS seconds
    FROM unnest(CAST(:endpoints AS text[])) AS q (name)
    CROSS JOIN unnest(ARRAY['live', 'bulk']) AS l (lane) CROSS JOIN LATERAL (
        SELECT due_at FROM deliveries AS d WHERE d.endpoint = q.name AND d.state = 'pending' AND d.lane = l.lane
        ORDER BY due_at, id LIMIT 1
    ) AS first
    GROUP BY q.name
""")
_STRANGE: Final = sa.text("""
    SELECT DISTINCT endpoint FROM deliveries
    WHERE state = 'pending' AND due_at <= statement_timestamp() AND endpoint <> ALL(CAST(:endpoints AS text[]))
""")
# Live deliveries go first; places reserved for imports go to them while any are due.
_DUE: Final = """
    SELECT id, enrolment_id, due_at FROM deliveries
    WHERE endpoint = :endpoint AND lane = '{lane}' AND state = 'pending' AND due_at <= statement_timestamp()
        AND NOT EXISTS (
            SELECT FROM endpoint_state AS s
            WHERE s.name = :endpoint AND (s.disabled_at IS NOT NULL OR s.slowed_until > statement_timestamp())
        )
    ORDER BY due_at, id LIMIT {most} FOR NO KEY UPDATE SKIP LOCKED
"""
_LIVE: Final = _DUE.format(lane="live", most="CAST(:most AS int)")
_BULK: Final = _DUE.format(
    lane="bulk", most="greatest(CAST(:reserved AS int), CAST(:most AS int) - (SELECT count(*) FROM live))"
)
_CLAIM: Final = Statement(f"""
    WITH live AS ({_LIVE}), bulk AS ({_BULK}),
    chosen AS (
        SELECT id, enrolment_id FROM bulk
        UNION ALL
        (SELECT id, enrolment_id FROM live ORDER BY due_at, id LIMIT CAST(:most AS int) - (SELECT count(*) FROM bulk))
    ), due AS (
        SELECT id, enrolment_id, row_number() OVER () AS place FROM chosen
    )
    UPDATE deliveries AS d
    SET state = 'claimed', claimed_at = statement_timestamp(), lease_token = :token, leased_by = :instance,
        began_at = CASE WHEN due.place <= CAST(:begun AS int) AND d.recipient IS NULL
            AND d.channel = ANY(CAST(:repeats_unknown AS text[])) THEN statement_timestamp() END,
        lease_until = statement_timestamp() + make_interval(secs => CAST(:lease_s AS float8))
    FROM due JOIN enrolments AS e ON e.id = due.enrolment_id
    WHERE d.id = due.id
    RETURNING {COLUMNS}
""")  # noqa: S608 - column names of this module, no input
_OUTCOMES: Final[Rows[AttemptRow]] = Rows(
    tables.deliveries,
    {"id": attrgetter("given.id")} | {name: attrgetter(name) for name in ("state", "reason", "wait_s")},
    "new_",
    {"wait_s": "float8"},
)
_ATTEMPTS: Final[Rows[AttemptRow]] = Rows(
    tables.attempts,
    {
        **{name: attrgetter(name) for name in ("started_at", "status", "outcome", "reason", "excerpt")},
        "delivery_id": attrgetter("given.id"),
        "finished_at": lambda row: max(row.finished_at, row.started_at),
    },
    "attempt_",
)
_TOLD: Final[Rows[Told]] = carriers(delivery_id="uuid", state="text")
# An attempt counts once it is recorded, and what was withdrawn while under way is not tried again.
_RECORD: Final = Statement(f"""
    WITH ours AS (
        SELECT d.id, d.withdrawn FROM deliveries AS d JOIN {HELD.unnested} ON {OURS}
        ORDER BY d.id FOR NO KEY UPDATE OF d
    ), recorded AS (
        UPDATE deliveries AS d
        SET state = v.state, reason = v.reason, lease_until = NULL, lease_token = NULL, leased_by = NULL,
            began_at = NULL, attempts = d.attempts + 1, tries = d.tries + 1,
            due_at = CASE WHEN v.state = 'pending' THEN statement_timestamp() + make_interval(secs => v.wait_s)
                          ELSE d.due_at END,
            finished_at = CASE WHEN v.state = 'pending' THEN NULL ELSE statement_timestamp() END
        FROM (
            SELECT u.id, u.wait_s, u.reason,
                CASE WHEN ours.withdrawn AND u.state <> 'delivered' THEN 'cancelled' ELSE u.state END AS state
            FROM {_OUTCOMES.unnested} JOIN ours USING (id)
        ) AS v
        WHERE d.id = v.id
        RETURNING d.id, d.state, d.attempts
    ), kept AS (
        INSERT INTO attempts ({_ATTEMPTS.columns}, number)
        SELECT {_ATTEMPTS.columns}, r.attempts FROM {_ATTEMPTS.unnested} JOIN recorded AS r ON r.id = u.delivery_id
    ), told AS (
        {inserted_from(_TOLD)} JOIN recorded AS r ON r.id = u.delivery_id AND r.state = u.state
    ), well AS (
        UPDATE endpoint_state SET failing_since = NULL, failing_because = NULL
        WHERE name = ANY(CAST(:well AS text[])) AND failing_since IS NOT NULL
    )
    SELECT id, state FROM recorded
""")  # noqa: S608 - names of columns, no input
_GIVE_UP: Final = sa.text("""
    UPDATE deliveries
    SET state = :state, reason = :reason, finished_at = statement_timestamp(), attempts = attempts + 1,
        tries = tries + 1, lease_until = NULL, lease_token = NULL, leased_by = NULL, began_at = NULL
    WHERE id = :id AND state = 'claimed' AND lease_token = :token
""")


async def waiting(conn: AsyncConnection, endpoints: Collection[str]) -> dict[str, float]:
    """The queues with waiting rows: seconds until the first is due, 0 or less when it is."""
    rows = await _WAITING.rows(conn, {"endpoints": list(endpoints)})
    return {row["name"]: float(row["seconds"]) for row in rows}


async def strange_endpoints(conn: AsyncConnection, endpoints: Collection[str]) -> list[str]:
    """Queues with due rows that are not among these: the configuration no longer names them."""
    return list((await conn.execute(_STRANGE, {"endpoints": list(endpoints)})).scalars())


async def claim(
    conn: AsyncConnection,
    endpoint: str,
    *,
    most: int,
    token: UUID,
    instance: str,
    reserved: int = 0,
    begun: int = 0,
    repeats_unknown: Collection[str] = (),
    lease_s: float = LEASE_S,
) -> list[StoredDelivery]:
    """Claim the deliveries of this queue that have been due longest, live ones first.

    None while it is disabled or throttled. `reserved`: how many of the `most` places go to imports in any case. `token`
    is new for each claim, so that a row put back and claimed again is another claim.

    Up to `begun` of them are marked as begun at once, and come first: those that nobody has to be asked for, in the
    channels that send again what may have arrived (`repeats_unknown`). The caller sends them immediately.
    """
    places = {"most": most, "reserved": reserved, "begun": begun, "repeats_unknown": list(repeats_unknown)}
    lease = {"token": token, "instance": instance, "lease_s": lease_s}
    rows = await _CLAIM.rows(conn, {"endpoint": endpoint, **places, **lease})
    return sorted(map(delivery_of, rows), key=lambda one: (one.began_at is None, one.lane != "live", one.created_at))


async def give_up(conn: AsyncConnection, given: StoredDelivery, *, arrived: bool, reason: str) -> None:
    """End a delivery whose outcome cannot be recorded, if it is still ours."""
    state = "delivered" if arrived else "failed"
    arguments = {"id": given.id, "token": given.lease_token, "state": state, "reason": reason}
    await conn.execute(_GIVE_UP, arguments)


async def record(
    conn: AsyncConnection, records: Sequence[AttemptRow], *, told: Sequence[Told] = (), well: Collection[str] = ()
) -> dict[UUID, str]:
    """Record outcomes; return the deliveries that were still ours, each with its new state.

    One statement, so that it may stand alone: with it go the facts that become true, and `well`, the endpoints that
    have answered.
    """
    held = HELD.arrays([each.given for each in records])
    outcomes = _OUTCOMES.arrays(records) | _ATTEMPTS.arrays(records)
    rows = await _RECORD.rows(conn, held | outcomes | _TOLD.arrays(told) | {"well": sorted(well)})
    return {row["id"]: row["state"] for row in rows}
