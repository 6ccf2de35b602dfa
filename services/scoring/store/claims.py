"""SQL of claims. Every change is one compare-and-set; the schema forbids two holders of one contact."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.db.named import named


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody has a contact until `until`, or had it. `ended`: released, expired, snoozed, merged."""

    id: UUID
    contact_id: UUID
    who: str
    since: datetime
    until: datetime
    ended_at: datetime | None
    ended: str | None
    snoozed_until: datetime | None


_COLUMNS: Final = ", ".join(each.name for each in fields(Claim))
_SURVIVOR = sa.text("""
    WITH RECURSIVE trail AS (
        SELECT id, merged_into FROM contacts WHERE id = :id
        UNION ALL
        SELECT c.id, c.merged_into FROM trail JOIN contacts c ON c.id = trail.merged_into
    )
    SELECT id FROM trail WHERE merged_into IS NULL
""")
# While this lock is held, no batch merges the contact away.
_HOLD = sa.text("SELECT id FROM contacts WHERE id = :id AND merged_into IS NULL FOR SHARE")
_CLAIM = sa.text(f"""
    INSERT INTO claims (id, contact_id, who, since, until) VALUES (:id, :contact, :who, :now, :until)
    ON CONFLICT (contact_id) WHERE ended_at IS NULL DO NOTHING RETURNING {_COLUMNS}
""")  # noqa: S608 - columns of ours
_OPEN_OF = sa.text(f"SELECT {_COLUMNS} FROM claims WHERE contact_id = :contact AND ended_at IS NULL")  # noqa: S608 - names of columns, no input
_ONE = sa.text(f"SELECT {_COLUMNS} FROM claims WHERE id = :id")  # noqa: S608 - names of columns, no input
_EXTEND = sa.text(f"""
    UPDATE claims SET until = :until WHERE id = :id AND ended_at IS NULL AND until > :now RETURNING {_COLUMNS}
""")  # noqa: S608 - names of columns, no input
_END = sa.text(f"""
    UPDATE claims SET ended_at = :now, ended = :reason, snoozed_until = :snoozed_until
    WHERE id = :id AND ended_at IS NULL AND until > :now RETURNING {_COLUMNS}
""")  # noqa: S608 - names of columns, no input
_RUN_OUT_OF = sa.text(f"""
    UPDATE claims SET ended_at = :now, ended = 'expired'
    WHERE contact_id = :contact AND ended_at IS NULL AND until <= :now RETURNING {_COLUMNS}
""")  # noqa: S608 - names of columns, no input
_RUN_OUT = sa.text(f"""
    UPDATE claims SET ended_at = :now, ended = 'expired' WHERE id IN (
        SELECT id FROM claims WHERE ended_at IS NULL AND until <= :now ORDER BY until LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING {_COLUMNS}
""")  # noqa: S608 - names of columns, no input
_AWAKE = sa.text("SELECT DISTINCT contact_id FROM claims WHERE snoozed_until > :since AND snoozed_until <= :now")
# A merge ends them in the batch's transaction (store/contacts/batch.py); the fact of it is made later.
_UNTOLD = sa.text(f"""
    UPDATE claims SET told = true WHERE id IN (
        SELECT id FROM claims WHERE NOT told ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING {_COLUMNS}
""")  # noqa: S608 - names of columns, no input


def _claim(row: Any) -> Claim | None:
    return named(Claim, row) if row is not None else None


async def survivor(conn: AsyncConnection, contact_id: UUID) -> UUID | None:
    """The contact that it is now, locked against merges; None when there is none, or a merge was faster."""
    found = (await conn.execute(_SURVIVOR, {"id": contact_id})).scalar_one_or_none()
    if found is None:
        return None
    held: UUID | None = (await conn.execute(_HOLD, {"id": found})).scalar_one_or_none()
    return held


async def claim(
    conn: AsyncConnection, claim_id: UUID, contact_id: UUID, who: str, now: datetime, until: datetime
) -> Claim | None:
    """The new claim; None when the contact is taken."""
    given = {"id": claim_id, "contact": contact_id, "who": who, "now": now, "until": until}
    return _claim((await conn.execute(_CLAIM, given)).one_or_none())


async def open_of(conn: AsyncConnection, contact_id: UUID) -> Claim | None:
    """The open claim on the contact."""
    return _claim((await conn.execute(_OPEN_OF, {"contact": contact_id})).one_or_none())


async def one(conn: AsyncConnection, claim_id: UUID) -> Claim | None:
    """One claim, ended or not."""
    return _claim((await conn.execute(_ONE, {"id": claim_id})).one_or_none())


async def extend(conn: AsyncConnection, claim_id: UUID, now: datetime, until: datetime) -> Claim | None:
    """The claim with more time; None when it has ended or run out."""
    return _claim((await conn.execute(_EXTEND, {"id": claim_id, "now": now, "until": until})).one_or_none())


async def end(
    conn: AsyncConnection, claim_id: UUID, reason: str, now: datetime, snoozed_until: datetime | None = None
) -> Claim | None:
    """The claim, now ended; None when it had ended or run out before."""
    given = {"id": claim_id, "reason": reason, "now": now, "snoozed_until": snoozed_until}
    return _claim((await conn.execute(_END, given)).one_or_none())


async def run_out_of(conn: AsyncConnection, contact_id: UUID, now: datetime) -> Claim | None:
    """End the contact's claim if it has run out."""
    return _claim((await conn.execute(_RUN_OUT_OF, {"contact": contact_id, "now": now})).one_or_none())


async def run_out(conn: AsyncConnection, now: datetime, most: int) -> list[Claim]:
    """End the claims that have run out."""
    return [named(Claim, row) for row in await conn.execute(_RUN_OUT, {"now": now, "most": most})]


async def awake(conn: AsyncConnection, since: datetime, now: datetime) -> list[UUID]:
    """Contacts put off until a moment after `since`, and no later than `now`."""
    return list((await conn.execute(_AWAKE, {"since": since, "now": now})).scalars())


async def untold(conn: AsyncConnection, most: int) -> list[Claim]:
    """Claims ended by a merge whose fact is not made yet; marks them as told."""
    return [named(Claim, row) for row in await conn.execute(_UNTOLD, {"most": most})]
