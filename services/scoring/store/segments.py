"""SQL of the segments: how many contacts there are of each kind. Written as the funnel is (store/funnel.py)."""

from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.funnel.segments import Cell, CellSums
from shared.db.named import named

_ALL: Final = sa.text(f"""
    SELECT {", ".join((*Cell._fields, *CellSums._fields))} FROM segments
    WHERE contacts > 0 ORDER BY {", ".join(Cell._fields)}
""")  # noqa: S608 - names of ours


class Row(NamedTuple):
    """The contacts of a cell."""

    cell: Cell
    sums: CellSums


async def everybody(conn: AsyncConnection) -> list[Row]:
    """All of them: stages times tiers times the cells that there are."""
    return [Row(named(Cell, row), named(CellSums, row)) for row in await conn.execute(_ALL)]
