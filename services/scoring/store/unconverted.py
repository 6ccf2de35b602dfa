"""SQL of amounts in a currency without a rate: how many, by the day whose rate is missing."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


class Missing(NamedTuple):
    """A rate that is missing: of this currency, for this day."""

    currency: str
    day: date


class Amounts(NamedTuple):
    """How many waited for a rate."""

    orders: int
    estimates: int


# In one order for all processes, so that they never deadlock.
_COUNT = sa.text("""
    INSERT INTO unconverted AS u (currency, day, seen, orders, estimates)
    SELECT currency, day, :today, orders, estimates FROM unnest(
        CAST(:currencies AS text[]), CAST(:days AS date[]), CAST(:orders AS bigint[]), CAST(:estimates AS bigint[])
    ) AS n (currency, day, orders, estimates) ORDER BY currency, day
    ON CONFLICT (currency, day) DO UPDATE SET seen = GREATEST(u.seen, excluded.seen),
        orders = u.orders + excluded.orders, estimates = u.estimates + excluded.estimates
""")
_SINCE = sa.text("SELECT currency, day, orders, estimates FROM unconverted WHERE seen >= :since")
_FORGET = sa.text("DELETE FROM unconverted WHERE seen < :before")


async def count(conn: AsyncConnection, amounts: Mapping[Missing, Amounts], today: date) -> None:
    """Add what a batch has seen."""
    rows = sorted(amounts.items())
    given = {
        "today": today,
        "currencies": [missing.currency for missing, _ in rows],
        "days": [missing.day for missing, _ in rows],
        "orders": [each.orders for _, each in rows],
        "estimates": [each.estimates for _, each in rows],
    }
    await conn.execute(_COUNT, given)


async def since(conn: AsyncConnection, day: date) -> dict[Missing, Amounts]:
    """What was seen since that day, whether or not there is a rate by now."""
    rows = await conn.execute(_SINCE, {"since": day})
    return {Missing(row.currency, row.day): Amounts(row.orders, row.estimates) for row in rows}


async def forget(conn: AsyncConnection, before: date) -> None:
    """Drop what was last seen before that day."""
    await conn.execute(_FORGET, {"before": before})
