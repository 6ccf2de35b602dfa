"""SQL on contacts: their locks, merges and recent events."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture import tables
from shared.db.arrays import Rows, by_name
from shared.db.statement import Statement

REMEMBERED: Final = timedelta(days=1)  # then retention drops it
_MOST_OF_A_TYPE: Final = 10


class PastEnrolment(NamedTuple):
    """An enrolment, past or present, of a contact in a workflow."""

    contact_id: UUID
    workflow: str
    id: UUID
    triggered_at: datetime


class Recent(NamedTuple):
    """An event that may matter to an enrolment that has not begun yet."""

    id: UUID
    contact_id: UUID
    type: str
    happened_at: datetime
    event: bytes


_MAKE: Final = Statement("INSERT INTO contacts (id) SELECT * FROM unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING")
_LOCK: Final = Statement("""
    SELECT id, merged_into FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
""")
_KNOWN: Final = Statement("SELECT EXISTS (SELECT FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])))")
CHAIN: Final = """
    chain AS (
        SELECT id, merged_into FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NOT NULL
        UNION
        SELECT c.id, c.merged_into FROM contacts AS c JOIN chain ON c.id = chain.merged_into
        WHERE c.merged_into IS NOT NULL
    )
"""
_MERGED_INTO: Final = Statement(f"WITH RECURSIVE {CHAIN} SELECT id, merged_into FROM chain")  # noqa: S608 - see above
_MERGED: Final = "unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS u (loser, survivor)"
_MERGE: Final = sa.text(f"""
    UPDATE contacts AS c SET merged_into = u.survivor
    FROM {_MERGED}
    WHERE c.id = u.loser
""")  # noqa: S608 - names of columns, no input
_ALIVE: Final = sa.text("""
    UPDATE contacts SET merged_into = NULL WHERE id = ANY(CAST(:survivors AS uuid[])) AND merged_into IS NOT NULL
""")
# Each comes in an update of its own; the survivor's follows that of the merge.
_PART: Final = sa.text("""
    UPDATE contacts SET merged_into = NULL
    WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into = ANY(CAST(:ids AS uuid[]))
""")
# The active enrolments moved with the batch.
_ADOPT: Final = tuple(
    sa.text(f"""
        UPDATE {table} AS t SET contact_id = u.survivor
        FROM {_MERGED}
        WHERE t.contact_id = u.loser {further}
    """)  # noqa: S608 - names of tables, no input
    for table, further in (("enrolments", "AND NOT t.listens"), ("recent_events", ""), ("refusals", ""))
)
RECENT: Final[Rows[Recent]] = Rows(tables.recent_events, by_name(Recent))
_REMEMBER: Final = Statement(f"{RECENT.inserted()} ON CONFLICT DO NOTHING")
_BOUND: Final = Statement(f"""
    DELETE FROM recent_events WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER (PARTITION BY contact_id, type ORDER BY happened_at DESC, id) AS place
            FROM recent_events WHERE contact_id = ANY(CAST(:contacts AS uuid[]))
        ) AS ranked WHERE place > {_MOST_OF_A_TYPE}
    )
""")  # noqa: S608 - a number of ours
# Enrolments, ended ones too, and events in one shape: two queries, one round trip.
_HISTORY: Final = Statement("""
    SELECT true AS run, id, contact_id, workflow AS what, triggered_at AS time, CAST(NULL AS bytea) AS event
    FROM enrolments
    WHERE contact_id = ANY(CAST(:contacts AS uuid[])) AND workflow = ANY(CAST(:workflows AS text[]))
    UNION ALL
    SELECT false, id, contact_id, type, happened_at, event FROM recent_events
    WHERE contact_id = ANY(CAST(:own AS uuid[]))
    ORDER BY time, id
""")


async def lock(conn: AsyncConnection, contacts: Collection[UUID]) -> dict[UUID, UUID]:
    """Lock these contacts, in one order for all processes; return the merged ones with their survivors."""
    if not contacts:
        return {}
    asked = {"ids": sorted(contacts)}
    rows = await _LOCK.rows(conn, asked)
    if len(rows) < len(asked["ids"]):  # a survivor was erased
        await _MAKE.run(conn, asked)
        rows = await _LOCK.rows(conn, asked)
    return {contact_id: into for contact_id, into in rows if into is not None}


async def anybody_known(conn: AsyncConnection, contacts: Collection[UUID]) -> bool:
    """Whether anything that matters has happened to any of these contacts, as far as one sees without a lock."""
    if not contacts:
        return False
    ((known,),) = await _KNOWN.rows(conn, {"ids": list(contacts)})
    return bool(known)


async def merged_into(conn: AsyncConnection, contacts: Collection[UUID]) -> dict[UUID, UUID]:
    """The merged ones of these contacts and their survivors, each with its survivor."""
    if not contacts:
        return {}
    return dict(await _MERGED_INTO.rows(conn, {"ids": sorted(contacts)}))


async def part(conn: AsyncConnection, contacts: Collection[UUID]) -> None:
    """Undo merges: each is a contact again. What the survivor took over stays with it."""
    await lock(conn, contacts)
    await conn.execute(_PART, {"ids": sorted(contacts)})


async def merge(conn: AsyncConnection, merges: Mapping[UUID, UUID]) -> None:
    """Store the survivor of each locked contact, and give its history to the survivor."""
    arrays = {"losers": list(merges), "survivors": list(merges.values())}
    await conn.execute(_ALIVE, {"survivors": arrays["survivors"]})
    await conn.execute(_MERGE, arrays)
    for statement in _ADOPT:
        await conn.execute(statement, arrays)


async def remember(conn: AsyncConnection, events: Sequence[Recent]) -> None:
    """Keep events for enrolments yet to begin: of each type, the newest few of a contact."""
    if not events:
        return
    await _REMEMBER.run(conn, RECENT.arrays(events))
    await _BOUND.run(conn, {"contacts": list({each.contact_id for each in events})})


def all_kept(events: Iterable[Recent]) -> bool:
    """Whether all of these are kept, if their contacts have no others."""
    return all(count <= _MOST_OF_A_TYPE for count in Counter((each.contact_id, each.type) for each in events).values())


async def history(
    conn: AsyncConnection, contacts: Collection[UUID], workflows: Collection[str], own: Collection[UUID]
) -> tuple[list[PastEnrolment], list[Recent]]:
    """The enrolments of `contacts` in these workflows, ended ones too, and the recent events of `own`, in order."""
    runs, events = [], []
    asked = {"contacts": list(contacts), "workflows": list(workflows), "own": list(own)}
    for run, identifier, contact_id, what, time, event in await _HISTORY.rows(conn, asked):
        if run:
            runs.append(PastEnrolment(contact_id, what, identifier, time))
        else:
            events.append(Recent(identifier, contact_id, what, time, event))
    return runs, events
