"""SQL of orders: those that a batch names, those that merged contacts share, all of one contact."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.contact.contact import moment
from services.scoring.domain.customer.orders import Order, OrderKey

Orders = dict[UUID, dict[OrderKey, Order]]

_COLUMNS: Final = "o.contact_id, o.source, o.order_id, o.currency, o.paid, o.margin, o.paid_at, o.refunded"
_NAMED = sa.text(f"""
    SELECT {_COLUMNS} FROM unnest(CAST(:contacts AS uuid[]), CAST(:sources AS text[]), CAST(:ids AS text[]))
        AS n (contact_id, source, order_id) JOIN orders o USING (contact_id, source, order_id)
""")  # noqa: S608 - columns of ours
# Orders that two of the merged contacts have both, and those that the batch names, whoever has them.
_OF_MERGED = sa.text(f"""
    WITH merged AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:members AS uuid[]), CAST(:survivors AS uuid[])) AS m (id, survivor)
    )
    SELECT {_COLUMNS} FROM merged m JOIN orders o ON o.contact_id = m.id
    WHERE EXISTS (
        SELECT FROM merged n JOIN orders p ON p.contact_id = n.id
        WHERE n.survivor = m.survivor AND n.id <> m.id AND p.source = o.source AND p.order_id = o.order_id
    )
    UNION
    SELECT {_COLUMNS} FROM merged m
    CROSS JOIN unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS n (source, order_id)
    JOIN orders o ON o.contact_id = m.id AND o.source = n.source AND o.order_id = n.order_id
""")  # noqa: S608 - columns of ours
_ALL_OF = sa.text(f"SELECT {_COLUMNS} FROM orders o WHERE o.contact_id = ANY(CAST(:contacts AS uuid[]))")  # noqa: S608
_WRITE = sa.text("""
    INSERT INTO orders AS o (contact_id, source, order_id, currency, paid, margin, paid_at, refunded)
    SELECT contact_id, source, order_id, currency, paid, margin, paid_at, refunded::jsonb FROM unnest(
        CAST(:contacts AS uuid[]), CAST(:sources AS text[]), CAST(:ids AS text[]), CAST(:currencies AS text[]),
        CAST(:paid AS bigint[]), CAST(:margins AS bigint[]), CAST(:paid_at AS timestamptz[]),
        CAST(:refunded AS text[])
    ) AS n (contact_id, source, order_id, currency, paid, margin, paid_at, refunded)
    ON CONFLICT (contact_id, source, order_id) DO UPDATE SET currency = excluded.currency, paid = excluded.paid,
        margin = excluded.margin, paid_at = excluded.paid_at, refunded = excluded.refunded
""")
# Orders joined in memory are deleted first; the rest then moves to the survivor without collisions.
_MOVE = (
    sa.text("""
        DELETE FROM orders o
        USING unnest(CAST(:contacts AS uuid[]), CAST(:sources AS text[]), CAST(:ids AS text[]))
            AS n (contact_id, source, order_id)
        WHERE o.contact_id = n.contact_id AND o.source = n.source AND o.order_id = n.order_id
    """),
    sa.text("""
        UPDATE orders AS o SET contact_id = n.survivor
        FROM unnest(CAST(:losers AS uuid[]), CAST(:survivors AS uuid[])) AS n (loser, survivor)
        WHERE o.contact_id = n.loser
    """),
)


async def named(conn: AsyncConnection, wanted: Iterable[tuple[UUID, OrderKey]]) -> Orders:
    """Those of these orders that the contact has."""
    rows = sorted((contact, source, order_id) for contact, (source, order_id) in wanted)
    contacts, sources, ids = (list(column) for column in zip(*rows, strict=True))
    return _grouped(await conn.execute(_NAMED, {"contacts": contacts, "sources": sources, "ids": ids}))


async def of_merged(conn: AsyncConnection, merges: Mapping[UUID, UUID], keys: Collection[OrderKey]) -> Orders:
    """The orders that more than one of these merging contacts has, and those in `keys` that any has."""
    members = {**merges, **{survivor: survivor for survivor in merges.values()}}
    given = {
        "members": list(members),
        "survivors": list(members.values()),
        "sources": [source for source, _ in keys],
        "ids": [order_id for _, order_id in keys],
    }
    return _grouped(await conn.execute(_OF_MERGED, given))


async def of_contacts(conn: AsyncConnection, contacts: Sequence[UUID]) -> Orders:
    """All orders of these contacts."""
    return _grouped(await conn.execute(_ALL_OF, {"contacts": contacts}))


async def write(conn: AsyncConnection, orders: Mapping[UUID, Mapping[OrderKey, Order]]) -> None:
    """Write orders, new or changed; their contacts are locked."""
    rows = [(contact, key, order) for contact, theirs in orders.items() for key, order in theirs.items()]
    given = {
        "contacts": [contact for contact, _, _ in rows],
        "sources": [source for _, (source, _), _ in rows],
        "ids": [order_id for _, (_, order_id), _ in rows],
        "currencies": [order.currency for _, _, order in rows],
        "paid": [order.paid for _, _, order in rows],
        "margins": [order.margin for _, _, order in rows],
        "paid_at": [moment(order.at) if order.at else None for _, _, order in rows],
        "refunded": [json.dumps(order.refunded) for _, _, order in rows],
    }
    await conn.execute(_WRITE, given)


def as_rows(orders: Mapping[UUID, Mapping[OrderKey, Order]]) -> list[tuple[Any, ...]]:
    """Orders as their table's columns, in their order."""
    return [
        (contact, source, order_id, order.currency, order.paid, order.margin,
         moment(order.at) if order.at else None, json.dumps(order.refunded))
        for contact, theirs in orders.items() for (source, order_id), order in theirs.items()
    ]  # fmt: skip


async def move(conn: AsyncConnection, merges: Mapping[UUID, UUID], joined: Mapping[UUID, Collection[OrderKey]]) -> None:
    """Move each loser's orders to its survivor, except those in `joined` (by survivor), which are rewritten."""
    gone = [
        (loser, source, order_id) for loser, survivor in merges.items() for source, order_id in joined.get(survivor, ())
    ]
    if gone:
        contacts, sources, ids = (list(column) for column in zip(*gone, strict=True))
        await conn.execute(_MOVE[0], {"contacts": contacts, "sources": sources, "ids": ids})
    await conn.execute(_MOVE[1], {"losers": list(merges), "survivors": list(merges.values())})


def _grouped(rows: Iterable[Any]) -> Orders:
    found: Orders = {}
    for row in rows:
        order = Order(
            currency=row.currency,
            paid=row.paid,
            margin=row.margin,
            at=row.paid_at.timestamp() if row.paid_at is not None else 0.0,
            refunded=json.loads(row.refunded) if isinstance(row.refunded, str) else row.refunded,
        )
        found.setdefault(row.contact_id, {})[row.source, row.order_id] = order
    return found
