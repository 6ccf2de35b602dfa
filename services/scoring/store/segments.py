"""SQL of the segments: how many contacts there are of each kind. Written as the funnel is (store/funnel.py)."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.funnel.segments import Cell, CellSums

_ALL = sa.text(
    "SELECT stage, tier, rfm, contacts, lead_value, customer_value FROM segments WHERE contacts > 0 ORDER BY 1, 2, 3"
)


class Row(NamedTuple):
    """The contacts of a cell."""

    cell: Cell
    sums: CellSums


async def everybody(conn: AsyncConnection) -> list[Row]:
    """All of them: stages times tiers times the cells that there are."""
    return [Row(Cell(*row[:3]), CellSums(*row[3:])) for row in await conn.execute(_ALL)]
