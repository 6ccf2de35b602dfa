"""SQL of amounts in a currency without a rate: how many, by the day whose rate is missing."""

from collections.abc import Mapping
from datetime import date
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from shared.db.arrays import Rows, by_parts
from shared.db.named import named


class Missing(NamedTuple):
    """A rate that is missing: of this currency, for this day."""

    currency: str
    day: date


class Amounts(NamedTuple):
    """How many waited for a rate."""

    orders: int
    estimates: int


_AMOUNTS: Final[Rows[tuple[Missing, Amounts]]] = Rows(tables.unconverted, by_parts(Missing, Amounts))
_COUNT = sa.text(f"""
    {_AMOUNTS.added(Missing._fields, seen=":today")}, seen = GREATEST(t.seen, excluded.seen)
""")
_SINCE = sa.text("SELECT currency, day, orders, estimates FROM unconverted WHERE seen >= :since")
_FORGET = sa.text("DELETE FROM unconverted WHERE seen < :before")


async def count(conn: AsyncConnection, amounts: Mapping[Missing, Amounts], today: date) -> None:
    """Add what a batch has seen."""
    rows = sorted(amounts.items())  # in one order for all processes, so that they never deadlock
    await conn.execute(_COUNT, _AMOUNTS.arrays(rows) | {"today": today})


async def since(conn: AsyncConnection, day: date) -> dict[Missing, Amounts]:
    """What was seen since that day, whether or not there is a rate by now."""
    rows = await conn.execute(_SINCE, {"since": day})
    return {named(Missing, row): named(Amounts, row) for row in rows}


async def forget(conn: AsyncConnection, before: date) -> None:
    """Drop what was last seen before that day."""
    await conn.execute(_FORGET, {"before": before})
