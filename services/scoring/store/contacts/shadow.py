"""SQL of the shadow of a replay: what is made anew stands in it, and takes the place of what differs.

The shadow is the temporary schema of the one connection that replays: nobody else sees it, and however that connection
ends, Postgres sweeps it. Who has changed since is told by the version of the row (`xmin`), which every write changes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.customer.orders import Order, OrderKey
from services.scoring.domain.funnel.places import Moves, Place, Step, Sums
from services.scoring.domain.funnel.segments import Cell, CellSums
from services.scoring.store import bought as bought_store
from services.scoring.store import orders as order_store
from services.scoring.store.contacts.batch import CONTACT_COLUMNS, BookingRow
from shared.db.statement import copy


class _Rollup(NamedTuple):
    """A table of sums over contacts: what a row is of, and what it sums."""

    table: str
    key: tuple[str, ...]
    sums: tuple[str, ...]

    @property
    def shadow(self) -> str:
        """Where each contact's share of it is."""
        return f"replayed_{self.table}"

    @property
    def counted(self) -> str:
        """What the contacts come to."""
        added = ", ".join(f"sum({name})::bigint AS {name}" for name in self.sums)
        key = ", ".join(self.key)
        return f"SELECT {key}, {added} FROM {self.shadow} GROUP BY {key}"  # noqa: S608 - names of ours

    @property
    def summed(self) -> str:
        """What the table says, without what is nothing."""
        sums = ", ".join(self.sums)
        nothing = ", ".join("0" for _ in self.sums)
        return f"SELECT {', '.join(self.key)}, {sums} FROM {self.table} WHERE ({sums}) <> ({nothing})"  # noqa: S608 - names of columns, no input


_ROLLUPS: Final = (
    _Rollup("funnel", Place._fields, Sums._fields),
    _Rollup("funnel_steps", Step._fields, ("contacts",)),
    _Rollup("segments", Cell._fields, CellSums._fields),
)
_OFF: Final = tuple(
    sa.text(
        f"SELECT count(*) FROM (({of.counted} EXCEPT {of.summed}) UNION ALL ({of.summed} EXCEPT {of.counted})) AS off"  # noqa: S608 - names of columns, no input
    )
    for of in _ROLLUPS
)
_RECOUNT: Final = tuple(
    sa.text(statement)
    for of in _ROLLUPS
    for statement in (
        f"DELETE FROM {of.table}",  # noqa: S608 - names of columns, no input
        f"INSERT INTO {of.table} ({', '.join((*of.key, *of.sums))}) {of.counted}",
    )
)
SHADOW: Final = "pg_temp"
_MAKE: Final = tuple(
    sa.text(statement)
    for statement in (
        """CREATE TEMPORARY TABLE replayed (
            contact_id uuid PRIMARY KEY, seen text NOT NULL, events bigint NOT NULL, verdict text NOT NULL,
            kinds text[] NOT NULL
        )""",
        "CREATE TEMPORARY TABLE replayed_contacts (LIKE contacts INCLUDING DEFAULTS)",
        "CREATE TEMPORARY TABLE replayed_orders (LIKE orders INCLUDING DEFAULTS)",
        "CREATE TEMPORARY TABLE replayed_bookings (LIKE bookings INCLUDING DEFAULTS)",
        "CREATE TEMPORARY TABLE replayed_identities (LIKE identities INCLUDING DEFAULTS)",
        "CREATE TEMPORARY TABLE replayed_bought (LIKE bought INCLUDING DEFAULTS)",
        *(
            f"CREATE TEMPORARY TABLE {of.shadow} (LIKE {of.table} INCLUDING DEFAULTS, contact_id uuid)"
            for of in _ROLLUPS
        ),
        *(f"CREATE INDEX ON {of.shadow} (contact_id)" for of in _ROLLUPS),
    )
)
_KEPT_BESIDE: Final = (
    ("replayed", "contact_id"),
    ("replayed_contacts", "id"),
    ("replayed_orders", "contact_id"),
    ("replayed_bookings", "contact_id"),
    ("replayed_identities", "contact_id"),
    ("replayed_bought", "contact_id"),
    *((of.shadow, "contact_id") for of in _ROLLUPS),
)
_FORGET: Final = tuple(
    sa.text(f"DELETE FROM {table} WHERE {column} = ANY(CAST(:ids AS uuid[]))")  # noqa: S608 - names of ours
    for table, column in _KEPT_BESIDE
)
_CHANGED: Final = sa.text("""
    SELECT c.id FROM contacts c LEFT JOIN replayed r ON r.contact_id = c.id
    WHERE c.merged_into IS NULL AND (r.seen IS NULL OR r.seen <> c.xmin::text) ORDER BY c.id
""")
_VERDICTS: Final = sa.text("SELECT verdict, count(*) AS many, sum(events) AS events FROM replayed GROUP BY verdict")
_KINDS: Final = sa.text("""
    SELECT kind, count(*) AS many, (array_agg(contact_id ORDER BY contact_id))[1:5] AS contacts
    FROM replayed, unnest(kinds) AS k (kind) GROUP BY kind ORDER BY kind
""")
_ANALYZE: Final = sa.text("ANALYZE replayed, replayed_contacts, replayed_orders, replayed_bookings")
# Reading goes on; whoever writes a contact or locks one waits. Before the snapshot of the transaction is taken.
_STOP: Final = (sa.text("SET LOCAL lock_timeout = '10s'"), sa.text("LOCK TABLE contacts IN EXCLUSIVE MODE"))
_SET: Final = ", ".join(f"{name} = r.{name}" for name in CONTACT_COLUMNS if name != "id")
_SWITCH: Final = (
    sa.text(f"UPDATE contacts AS c SET {_SET} FROM replayed_contacts r WHERE c.id = r.id"),  # noqa: S608 - names of columns, no input
    sa.text("DELETE FROM orders o USING replayed_contacts r WHERE o.contact_id = r.id"),
    sa.text("INSERT INTO orders SELECT * FROM replayed_orders"),
    sa.text("INSERT INTO bookings SELECT * FROM replayed_bookings"),
    sa.text("""
        INSERT INTO identities (key, contact_id) SELECT key, contact_id FROM replayed_identities
        ON CONFLICT (key) DO NOTHING
    """),
)
# Whoever was erased or merged meanwhile is nobody to be written; what a change since has made anew stands twice.
_GONE: Final = sa.text("""
    SELECT r.contact_id FROM replayed r LEFT JOIN contacts c ON c.id = r.contact_id AND c.merged_into IS NULL
    WHERE c.id IS NULL
""")
_WHO: Final = sa.text("SELECT id FROM replayed_contacts ORDER BY id")
_DIFFER_IN: Final = sa.text("""
    SELECT contact_id FROM replayed WHERE verdict = 'different' AND :kind = ANY(kinds) ORDER BY contact_id
""")
_BOUGHT_ANEW: Final = sa.text("SELECT contact_id, item FROM replayed_bought ORDER BY contact_id, item")
_NOW: Final = sa.text("UPDATE replayed_contacts SET updated_at = :now")
_BOOKED: Final = sa.text("SELECT account, sum(amount) AS amount FROM replayed_bookings GROUP BY account")


class Verdict(NamedTuple):
    """What came of one contact: `kinds` says in what it differed, or why it is kept."""

    contact_id: UUID
    seen: str
    events: int
    verdict: str
    kinds: list[str]


class Kind(NamedTuple):
    """How many contacts differ in this, and some of them."""

    many: int
    contacts: list[UUID]


async def make(conn: AsyncConnection) -> None:
    """Empty tables in a schema that is this connection's alone."""
    for statement in _MAKE:
        await conn.execute(statement)


async def changed(conn: AsyncConnection) -> list[UUID]:
    """Contacts that were written since they were made anew, or never were."""
    return list((await conn.execute(_CHANGED)).scalars())


async def keep(
    conn: AsyncConnection,
    verdicts: Sequence[Verdict],
    *,
    contacts: Sequence[tuple[Any, ...]],
    orders: Mapping[UUID, Mapping[OrderKey, Order]],
    bookings: Sequence[BookingRow],
    identities: Sequence[tuple[str, UUID]],
    bought: Sequence[tuple[UUID, str]],
    stands: Mapping[UUID, Moves],
) -> None:
    """Put contacts that were made anew into the shadow, in place of what it has of them."""
    ids = [verdict.contact_id for verdict in verdicts]
    for statement in _FORGET:
        await conn.execute(statement, {"ids": ids})
    shares: list[list[tuple[Any, ...]]] = [
        [(who, *place, *each) for who, moves in stands.items() for place, each in moves.sums.items()],
        [(who, *step, count) for who, moves in stands.items() for step, count in moves.steps.items()],
        [(who, *cell, *each) for who, moves in stands.items() for cell, each in moves.cells.items()],
    ]
    tables: list[tuple[str, Sequence[str], Sequence[tuple[Any, ...]]]] = [
        ("replayed", Verdict._fields, verdicts),
        ("replayed_contacts", CONTACT_COLUMNS, contacts),
        ("replayed_orders", order_store.ORDER_COLUMNS, order_store.as_rows(orders)),
        ("replayed_bookings", BookingRow._fields, bookings),
        ("replayed_identities", ("key", "contact_id"), identities),
        ("replayed_bought", ("contact_id", "item"), bought),
        *((of.shadow, ("contact_id", *of.key, *of.sums), rows) for of, rows in zip(_ROLLUPS, shares, strict=True)),
    ]
    for table, names, made in tables:
        if made:
            await copy(conn, table, names, made, schema=SHADOW)


async def verdicts(conn: AsyncConnection) -> tuple[dict[str, int], int]:
    """How many contacts came out how, and how many events were read."""
    found = (await conn.execute(_VERDICTS)).all()
    return {row.verdict: row.many for row in found}, int(sum(row.events for row in found))


async def kinds(conn: AsyncConnection) -> dict[str, Kind]:
    """In what they differ, or why they are kept."""
    return {row.kind: Kind(row.many, list(row.contacts)) for row in await conn.execute(_KINDS)}


async def booked(conn: AsyncConnection) -> dict[str, int]:
    """What the switch books, by account."""
    return {row.account: int(row.amount) for row in await conn.execute(_BOOKED)}


async def off(conn: AsyncConnection) -> int:
    """How many sums of the funnel and the segments are not those of its contacts, as they were made anew."""
    return sum([int((await conn.execute(each)).scalar_one()) for each in _OFF])


async def stop(conn: AsyncConnection) -> None:
    """Let nobody write a contact until the transaction ends. To be its first statements."""
    for statement in _STOP:
        await conn.execute(statement)


async def drop_gone(conn: AsyncConnection) -> None:
    """Leave out of the shadow who is gone: erased, or part of another."""
    gone = list((await conn.execute(_GONE)).scalars())
    for statement in _FORGET if gone else ():
        await conn.execute(statement, {"ids": gone})


async def switch(conn: AsyncConnection, now: datetime) -> list[UUID]:
    """Let the shadow take the place of what differs; whose that was."""
    await conn.execute(_ANALYZE)
    await conn.execute(_NOW, {"now": now})
    for statement in _SWITCH:
        await conn.execute(statement)
    if await off(conn):
        for statement in _RECOUNT:
            await conn.execute(statement)
    if who := list((await conn.execute(_DIFFER_IN, {"kind": "bought"})).scalars()):
        things = [(row.contact_id, row.item) for row in await conn.execute(_BOUGHT_ANEW)]
        await bought_store.put_right(conn, who, things)
    return list((await conn.execute(_WHO)).scalars())
