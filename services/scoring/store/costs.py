"""SQL of costs: what was told, the share of each lead, and whose lead value is to follow its shares."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.contact.contact import ContactState
from services.scoring.domain.costs import Cost
from services.scoring.store.contacts.states import read_states
from shared.db.arrays import Rows, by_name
from shared.db.named import named
from shared.db.statement import Statement

_COSTS: Final[Rows[Cost]] = Rows(tables.costs, by_name(Cost))
# The latest word counts, in whatever order they come.
_TELL: Final = Statement(f"""
    {_COSTS.inserted()} ON CONFLICT (key) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in Cost._fields if name != "key")}, looked_at = NULL
    WHERE (costs.told_at, costs.event_id) < (excluded.told_at, excluded.event_id)
""")
_NEXT: Final = sa.text(f"""
    SELECT {", ".join(Cost._fields)} FROM costs
    WHERE looked_at IS NULL
        OR looked_at < CASE WHEN until > :recent THEN CAST(:before AS timestamptz) ELSE :long_before END
    ORDER BY looked_at NULLS FIRST, key LIMIT 1 FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - names of ours
# A lead has the source that it came by, and the UTM source of the visit that brought it: a cost may name either.
_SPREAD: Final = sa.text("""
    WITH leads AS (
        SELECT id, row_number() OVER (ORDER BY asked_at, id) AS place, count(*) OVER () AS leads FROM contacts
        WHERE merged_into IS NULL AND asked_at >= :since AND asked_at < :until
            AND CAST(:amount AS bigint) IS NOT NULL
            AND (CAST(:source AS text) IS NULL OR lower(source) = :source OR via = :source)
            AND (CAST(:campaign AS text) IS NULL OR campaign = :campaign)
    ), wanted AS (
        SELECT id, CAST(:amount AS bigint) / leads + (place <= CAST(:amount AS bigint) % leads)::int AS amount
        FROM leads
    ), gone AS (
        DELETE FROM cost_shares s WHERE cost = :key AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = s.contact_id)
        RETURNING contact_id
    ), put AS (
        INSERT INTO cost_shares AS s (cost, contact_id, amount)
        SELECT :key, w.id, w.amount FROM wanted w LEFT JOIN cost_shares h ON h.cost = :key AND h.contact_id = w.id
        WHERE h.amount IS DISTINCT FROM w.amount
        ON CONFLICT (cost, contact_id) DO UPDATE SET amount = excluded.amount RETURNING contact_id
    ), due AS (
        INSERT INTO cost_due (contact_id)
        SELECT contact_id FROM (SELECT contact_id FROM gone UNION SELECT contact_id FROM put) AS n ORDER BY contact_id
        ON CONFLICT DO NOTHING
    )
    UPDATE costs SET looked_at = :now, spread = CAST(:amount AS bigint), leads = (SELECT count(*) FROM leads)
    WHERE key = :key RETURNING leads
""")
_AGAIN: Final = sa.text("""
    INSERT INTO cost_due (contact_id) SELECT id FROM unnest(CAST(:ids AS uuid[])) AS n (id) ORDER BY id
    ON CONFLICT DO NOTHING
""")
# Who waits for another model first gets that; who was merged away or erased is nobody's lead.
_DUE: Final = sa.text("""
    SELECT d.contact_id FROM cost_due d LEFT JOIN contacts c ON c.id = d.contact_id AND c.merged_into IS NULL
    WHERE c.id IS NULL OR c.model = :model ORDER BY d.contact_id LIMIT :limit
""")
# In the batches' lock order. Contacts that a batch has locked are skipped, and stay due.
_LOCK: Final = sa.text("""
    SELECT id, state FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NULL
    ORDER BY id FOR UPDATE SKIP LOCKED
""")
_DONE: Final = sa.text("""
    DELETE FROM cost_due d WHERE contact_id = ANY(CAST(:done AS uuid[])) OR (
        contact_id = ANY(CAST(:ids AS uuid[]))
        AND NOT EXISTS (SELECT FROM contacts c WHERE c.id = d.contact_id AND c.merged_into IS NULL)
    )
""")
_SHARES: Final = sa.text("""
    SELECT contact_id, sum(amount)::bigint AS amount FROM cost_shares
    WHERE contact_id = ANY(CAST(:ids AS uuid[])) GROUP BY contact_id
""")


_LIST: Final = sa.text(f"""
    SELECT {", ".join(Cost._fields)}, looked_at, spread, leads FROM costs
    WHERE (CAST(:source AS text) IS NULL OR source = :source)
        AND (CAST(:campaign AS text) IS NULL OR campaign = :campaign)
        AND (since, key) < (:since, :key)
    ORDER BY since DESC, key DESC LIMIT :limit
""")  # noqa: S608 - names of ours
_AFTER_ALL: Final = (datetime(9999, 12, 31, tzinfo=UTC), "")


class Spread(NamedTuple):
    """A cost, when it was last shared, what of it in base minor units (None: it waits for a rate), and by how many."""

    cost: Cost
    looked_at: datetime | None
    spread: int | None
    leads: int


class Due(NamedTuple):
    """Locked contacts whose shares have changed, and how many were due at most."""

    states: list[ContactState]
    asked: int


async def newest(
    conn: AsyncConnection, limit: int, after: tuple[datetime, str] | None, *, source: str | None, campaign: str | None
) -> list[Spread]:
    """The costs by their periods, the newest first, from behind this period and key on."""
    since, key = after or _AFTER_ALL
    given = {"limit": limit, "since": since, "key": key, "source": source, "campaign": campaign}
    rows = await conn.execute(_LIST, given)
    return [named(Spread, row, cost=named(Cost, row)) for row in rows]


async def tell(conn: AsyncConnection, costs: Sequence[Cost]) -> None:
    """Keep what was told last of each cost."""
    latest: dict[str, Cost] = {}
    for cost in costs:
        latest[cost.key] = max(latest.get(cost.key, cost), cost, key=lambda each: (each.told_at, each.event_id))
    await _TELL.run(conn, _COSTS.arrays([latest[key] for key in sorted(latest)]))


async def following(conn: AsyncConnection, before: datetime, *, recent: datetime, long_before: datetime) -> Cost | None:
    """A cost that was told anew, or last looked at before this, locked.

    Those of periods that ended before `recent` change seldom: they are due if last looked at before `long_before`.
    """
    due = {"before": before, "recent": recent, "long_before": long_before}
    row = (await conn.execute(_NEXT, due)).one_or_none()
    return None if row is None else named(Cost, row)


async def spread(conn: AsyncConnection, cost: Cost, amount: int | None, now: datetime) -> int:
    """Share the cost anew, in base minor units (None: it has no rate, and nobody has a share); the number of leads."""
    given: dict[str, Any] = cost._asdict() | {"amount": amount, "now": now}
    given = {name: given[name] for name in ("key", "source", "campaign", "since", "until", "amount", "now")}
    return int((await conn.execute(_SPREAD, given)).scalar_one())


async def due_again(conn: AsyncConnection, contacts: Collection[UUID]) -> None:
    """Let the lead values of these contacts follow their shares."""
    await conn.execute(_AGAIN, {"ids": sorted(contacts)})


async def take_due(conn: AsyncConnection, model: str, limit: int) -> Due:
    """Lock some contacts that are due, and are valued by this model; they are due no more."""
    ids = list((await conn.execute(_DUE, {"model": model, "limit": limit})).scalars())
    if not ids:
        return Due([], 0)
    locked = list(await conn.execute(_LOCK, {"ids": ids}))
    await conn.execute(_DONE, {"ids": ids, "done": [row.id for row in locked]})
    return Due(read_states(locked), len(ids))


async def shares(conn: AsyncConnection, contacts: Collection[UUID]) -> dict[UUID, int]:
    """The shares of each of these, added up; who has none is left out."""
    return {row.contact_id: row.amount for row in await conn.execute(_SHARES, {"ids": sorted(contacts)})}
