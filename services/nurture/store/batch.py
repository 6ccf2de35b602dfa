"""What a batch of updates begins with, and what begins in it: one statement each, since a round trip costs the most."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.channels.channel import Registry
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.enrolment import Enrolment
from services.nurture.store.contacts import CHAIN
from services.nurture.store.deliveries.deliveries import DELIVERIES, MADE, placed
from services.nurture.store.enrolments import NEW
from shared.db.arrays import Rows
from shared.db.statement import Statement
from shared.db.tables.facts import Fact, carriers, inserted_from


class Opened(NamedTuple):
    """What was found out about the updates and contacts of a batch."""

    fresh: set[UUID]
    """The updates not handled before: they are marked now."""
    erased: set[UUID]
    made: set[UUID]
    """The contacts that had no row: nothing has ever happened to them, and whoever else wants them waits for us."""
    merged_into: dict[UUID, UUID]
    """The merged ones of the contacts and of their survivors, each with its survivor."""


NOTHING: Final = Opened(set(), set(), set(), {})


class Scheduled(NamedTuple):
    """A fact that is true once this delivery is made."""

    delivery_id: UUID
    fact: Fact


_OPEN: Final = Statement(f"""
    WITH RECURSIVE fresh AS (
        INSERT INTO seen_updates (id) SELECT DISTINCT unnest(CAST(:updates AS uuid[]))
        ON CONFLICT DO NOTHING RETURNING id
    ), gone AS (
        SELECT contact_id AS id FROM erased WHERE contact_id = ANY(CAST(:ids AS uuid[]))
    ), made AS (
        INSERT INTO contacts (id) SELECT u.id FROM unnest(CAST(:ids AS uuid[])) AS u (id)
        WHERE u.id NOT IN (SELECT id FROM gone) ON CONFLICT DO NOTHING RETURNING id
    ), {CHAIN}
    SELECT 'fresh' AS what, id, CAST(NULL AS uuid) AS into FROM fresh
    UNION ALL SELECT 'erased', id, NULL FROM gone
    UNION ALL SELECT 'made', id, NULL FROM made
    UNION ALL SELECT 'merged', id, merged_into FROM chain
""")  # noqa: S608 - SQL of this package, no input
_RUNS: Final[Rows[Enrolment]] = replace(NEW, prefix="run_")
_DELIVERIES: Final = replace(DELIVERIES, prefix="delivery_")
_FACTS: Final[Rows[Scheduled]] = carriers(delivery_id="uuid")
_BEGIN: Final = Statement(f"""
    WITH begun AS ({_RUNS.inserted()} ON CONFLICT DO NOTHING RETURNING id),
    made AS (
        {_DELIVERIES.inserted(**MADE)} WHERE u.enrolment_id IN (SELECT id FROM begun)
        ON CONFLICT DO NOTHING RETURNING id
    ), told AS (
        {inserted_from(_FACTS)} WHERE u.delivery_id IN (SELECT id FROM made)
    )
    SELECT true AS run, id FROM begun UNION ALL SELECT false, id FROM made
""")  # noqa: S608 - names of columns, no input


async def open_batch(conn: AsyncConnection, updates: Collection[UUID], contacts: Collection[UUID]) -> Opened:
    """Mark these updates as handled, and give each contact that was not erased a row."""
    if not updates and not contacts:
        return NOTHING
    found = Opened(set(), set(), set(), {})
    sets = {"fresh": found.fresh, "erased": found.erased, "made": found.made}
    for what, identifier, into in await _OPEN.rows(conn, {"updates": list(updates), "ids": sorted(contacts)}):
        if what == "merged":
            found.merged_into[identifier] = into
        else:
            sets[what].add(identifier)
    return found


async def begin(
    conn: AsyncConnection,
    runs: Sequence[Enrolment],
    deliveries: Sequence[NewDelivery],
    scheduled: Sequence[Scheduled],
    channels: Registry,
) -> tuple[set[UUID], set[UUID]]:
    """Insert enrolments with their deliveries, due at once, and facts; return the new enrolments and deliveries.

    Of an enrolment that another process began, nothing is inserted.
    """
    arrays = _RUNS.arrays(runs) | _DELIVERIES.arrays(placed(deliveries, channels)) | _FACTS.arrays(scheduled)
    begun: set[UUID] = set()
    made: set[UUID] = set()
    for is_run, identifier in await _BEGIN.rows(conn, arrays):
        (begun if is_run else made).add(identifier)
    return begun, made
