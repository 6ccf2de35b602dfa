"""SQL of orders: those that a batch names, those that merged contacts share, all of one contact."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.contact.contact import moment
from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.store.contacts.batch import moved
from shared.db.arrays import Rows

Orders = dict[UUID, dict[OrderKey, Order]]


class _Row(NamedTuple):
    """An order to write, or one by name alone."""

    contact: UUID
    key: OrderKey
    order: Order = Order()


_KEY: Final[dict[str, Callable[[_Row], Any]]] = {
    "contact_id": lambda row: row.contact,
    "source": lambda row: row.key[0],
    "order_id": lambda row: row.key[1],
}
_KEYS: Final = Rows(tables.orders, _KEY)
_ORDERS: Final = Rows(
    tables.orders,
    {
        **_KEY,
        "currency": lambda row: row.order.currency,
        "paid": lambda row: row.order.paid,
        "margin": lambda row: row.order.margin,
        "paid_at": lambda row: moment(row.order.at) if row.order.at else None,
        "refunded": lambda row: json.dumps(row.order.refunded),
    },
)
ORDER_COLUMNS: Final = tuple(_ORDERS.read)
_COLUMNS: Final = ", ".join(f"o.{name}" for name in ORDER_COLUMNS)
_NAMED = sa.text(f"SELECT {_COLUMNS} FROM {_KEYS.unnested} JOIN orders o USING ({_KEYS.columns})")  # noqa: S608 - names of columns, no input
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
_ALL_OF = sa.text(f"SELECT {_COLUMNS} FROM orders o WHERE o.contact_id = ANY(CAST(:contacts AS uuid[]))")  # noqa: S608 - names of columns, no input
_CHANGED: Final = ", ".join(f"{name} = excluded.{name}" for name in ORDER_COLUMNS if name not in _KEY)
_WRITE = sa.text(f"{_ORDERS.inserted()} ON CONFLICT ({_KEYS.columns}) DO UPDATE SET {_CHANGED}")
# Orders joined in memory are deleted first; the rest then moves to the survivor without collisions.
_MOVE = (
    sa.text(f"""
        DELETE FROM orders o USING {_KEYS.unnested}
        WHERE o.contact_id = u.contact_id AND o.source = u.source AND o.order_id = u.order_id
    """),  # noqa: S608 - columns of ours
    sa.text(moved("orders")),
)


async def named(conn: AsyncConnection, wanted: Iterable[tuple[UUID, OrderKey]]) -> Orders:
    """Those of these orders that the contact has."""
    rows = [_Row(contact, key) for contact, key in sorted(wanted)]
    return _grouped(await conn.execute(_NAMED, _KEYS.arrays(rows)))


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
    await conn.execute(_WRITE, _ORDERS.arrays(_rows(orders)))


def as_rows(orders: Mapping[UUID, Mapping[OrderKey, Order]]) -> list[tuple[Any, ...]]:
    """Orders as ORDER_COLUMNS."""
    return [tuple(read(row) for read in _ORDERS.read.values()) for row in _rows(orders)]


def _rows(orders: Mapping[UUID, Mapping[OrderKey, Order]]) -> list[_Row]:
    return [_Row(contact, key, order) for contact, theirs in orders.items() for key, order in theirs.items()]


async def move(conn: AsyncConnection, merges: Mapping[UUID, UUID], joined: Mapping[UUID, Collection[OrderKey]]) -> None:
    """Move each loser's orders to its survivor, except those in `joined` (by survivor), which are rewritten."""
    gone = [_Row(loser, key) for loser, survivor in merges.items() for key in joined.get(survivor, ())]
    if gone:
        await conn.execute(_MOVE[0], _KEYS.arrays(gone))
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
