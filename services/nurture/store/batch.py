"""What a batch of updates begins with, and what begins in it: one statement each, since a round trip costs the most.

And one for all of it, where the updates are of people who are new, or concern nobody.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.channels.channel import Registry
from services.nurture.domain.deliveries.delivery import NewDelivery
from services.nurture.domain.enrolment import Enrolment
from services.nurture.domain.mail.consent import Word
from services.nurture.store.consents import WORDS, kept
from services.nurture.store.contacts import CHAIN, RECENT, Recent
from services.nurture.store.deliveries.deliveries import DELIVERIES, MADE, placed
from services.nurture.store.enrolments import NEW
from services.nurture.store.refusals import REFUSALS, Refusal
from shared.db.arrays import Rows
from shared.db.statement import Statement
from shared.db.tables.facts import Fact, carriers, inserted_from
from shared.db.tables.offsets import GIVEN, with_offsets


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


class Beginnings(NamedTuple):
    """Enrolments that begin, with their deliveries, due at once, and facts."""

    runs: Sequence[Enrolment]
    deliveries: Sequence[NewDelivery]
    scheduled: Sequence[Scheduled]


class Whole(NamedTuple):
    """All that comes of a batch."""

    updates: Collection[UUID]
    """To be marked as handled: they are new."""
    made: Collection[UUID]
    """Contacts that have no row yet and were not erased."""
    others: Collection[UUID]
    """Contacts to whose enrolments these updates do not matter, and who were not merged."""
    words: Sequence[Word]
    beginnings: Beginnings
    heard: Sequence[Recent]
    refused: Sequence[Refusal]


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


def _begun(where: str = "") -> str:
    return f"""
        begun AS ({_RUNS.inserted()} {where} ON CONFLICT DO NOTHING RETURNING id),
        queued AS (
            {_DELIVERIES.inserted(**MADE)} WHERE u.enrolment_id IN (SELECT id FROM begun)
            ON CONFLICT DO NOTHING RETURNING id
        ), told AS (
            {inserted_from(_FACTS)} WHERE u.delivery_id IN (SELECT id FROM queued)
        )
    """  # noqa: S608 - names of columns, no input


_BEGIN: Final = Statement(f"""
    WITH {_begun()} SELECT true AS run, id FROM begun UNION ALL SELECT false, id FROM queued
""")  # noqa: S608 - see above
_NOBODY_WAITS: Final = """
    NOT EXISTS (SELECT FROM enrolments WHERE contact_id = ANY(CAST(:others AS uuid[])) AND listens)
    AND NOT EXISTS (SELECT FROM contacts WHERE id = ANY(CAST(:others AS uuid[])) AND merged_into IS NOT NULL)
"""
_NOBODY: Final = with_offsets(given=_NOBODY_WAITS)
_WORDS: Final = replace(WORDS, prefix="word_")
_HEARD: Final = replace(RECENT, prefix="heard_")
_REFUSED: Final = replace(REFUSALS, prefix="refusal_")
# `holds` is read from left to right: marks and contacts come first, as in `open_batch`, so nobody waits in a circle.
_WHOLE: Final = with_offsets(
    f"""
    fresh AS (
        INSERT INTO seen_updates (id) SELECT unnest(CAST(:updates AS uuid[])) WHERE {GIVEN}
        ON CONFLICT DO NOTHING RETURNING id
    ), made AS (
        INSERT INTO contacts (id) SELECT unnest(CAST(:ids AS uuid[])) WHERE {GIVEN} ON CONFLICT DO NOTHING RETURNING id
    ), {_begun(f"WHERE {GIVEN}")},
    consented AS ({kept(_WORDS, f"WHERE {GIVEN}")}),
    heard AS ({_HEARD.inserted()} WHERE {GIVEN} ON CONFLICT DO NOTHING),
    refused AS ({_REFUSED.inserted()} WHERE {GIVEN} ON CONFLICT DO NOTHING)
    """,
    given=f"""
    {_NOBODY_WAITS}
    AND NOT EXISTS (SELECT FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])))
    AND NOT EXISTS (SELECT FROM erased WHERE contact_id = ANY(CAST(:ids AS uuid[])))
    """,  # noqa: S608 - see above
    holds="""
    (SELECT count(*) FROM fresh) = cardinality(CAST(:updates AS uuid[]))
    AND (SELECT count(*) FROM made) = cardinality(CAST(:ids AS uuid[]))
    AND (SELECT count(*) FROM begun) = cardinality(CAST(:run_id AS uuid[]))
    """,
)


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


async def begin(conn: AsyncConnection, beginnings: Beginnings, channels: Registry) -> tuple[set[UUID], set[UUID]]:
    """Insert what begins; return the new enrolments and deliveries.

    Of an enrolment that another process began, nothing is inserted.
    """
    begun: set[UUID] = set()
    queued: set[UUID] = set()
    for is_run, identifier in await _BEGIN.rows(conn, _arrays(beginnings, channels)):
        (begun if is_run else queued).add(identifier)
    return begun, queued


def nothing_for(others: Collection[UUID]) -> tuple[Statement, Mapping[str, Any]]:
    """The one statement of a batch that changes nothing, unless these contacts have enrolments that listen."""
    return _NOBODY, {"others": list(others)}


def at_once(whole: Whole, channels: Registry) -> tuple[Statement, Mapping[str, Any]]:
    """The one statement that writes all of a batch; nothing of it if its contacts are not as it says."""
    return _WHOLE, {
        "updates": list(whole.updates),
        "ids": sorted(whole.made),
        "others": list(whole.others),
        **_WORDS.arrays(whole.words),
        **_arrays(whole.beginnings, channels),
        **_HEARD.arrays(whole.heard),
        **_REFUSED.arrays(whole.refused),
    }


def _arrays(beginnings: Beginnings, channels: Registry) -> dict[str, list[Any]]:
    return (
        _RUNS.arrays(beginnings.runs)
        | _DELIVERIES.arrays(placed(beginnings.deliveries, channels))
        | _FACTS.arrays(beginnings.scheduled)
    )
