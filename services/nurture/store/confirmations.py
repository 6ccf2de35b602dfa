"""SQL on confirmations: mails that were sent, contacts that were asked, and those that confirmed."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.nurture.domain.deliveries.delivery import StoredDelivery
from services.nurture.store.deliveries.deliveries import COLUMNS, delivery_of

_SENT: Final = sa.text(f"""
    SELECT {COLUMNS} FROM deliveries AS d JOIN enrolments AS e ON e.id = d.enrolment_id
    WHERE d.id = :id AND d.recipient IS NOT NULL
""")  # noqa: S608 - no input
_CONFIRM: Final = sa.text("""
    UPDATE deliveries SET confirmed_at = statement_timestamp() WHERE id = :id AND confirmed_at IS NULL
    RETURNING id
""")
_ASKED: Final = sa.text("""
    SELECT DISTINCT recipient FROM deliveries
    WHERE recipient = ANY(CAST(:addresses AS text[])) AND confirmation = 'asks' AND id <> ALL(CAST(:but AS uuid[]))
        AND (
            (state = 'delivered' AND finished_at > statement_timestamp() - CAST(:within AS interval))
            OR (state = 'claimed' AND began_at IS NOT NULL)
        )
""")
_CONFIRMED: Final = sa.text("""
    SELECT DISTINCT recipient FROM deliveries
    WHERE recipient = ANY(CAST(:addresses AS text[])) AND confirmed_at IS NOT NULL
""")


async def sent(conn: AsyncConnection, delivery_id: UUID) -> StoredDelivery | None:
    """The mail, if it was sent to a contact and is still stored."""
    row = (await conn.execute(_SENT, {"id": delivery_id})).one_or_none()
    return delivery_of(row) if row is not None else None


async def confirm(conn: AsyncConnection, delivery_id: UUID) -> bool:
    """Note that its reader has confirmed the address; return whether that is new."""
    return (await conn.execute(_CONFIRM, {"id": delivery_id})).one_or_none() is not None


async def asked(
    conn: AsyncConnection, addresses: Collection[str], *, but: Collection[UUID], within: timedelta
) -> set[str]:
    """The contacts that lately got a mail that asks, other than these, or are getting one now."""
    rows = await conn.execute(_ASKED, {"addresses": sorted(addresses), "but": list(but), "within": within})
    return set(rows.scalars())


async def confirmed(conn: AsyncConnection, addresses: Collection[str]) -> set[str]:
    """The addresses that their owners have confirmed."""
    return set((await conn.execute(_CONFIRMED, {"addresses": sorted(addresses)})).scalars())
