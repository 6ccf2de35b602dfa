"""SQL of the funnel: sums that each transaction which changes contacts adds to, so that nobody ever counts them."""

from collections.abc import Mapping
from datetime import date
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import tables
from services.scoring.domain.funnel.places import Moves, Place, Step, Sums
from services.scoring.domain.funnel.segments import Cell, CellSums
from shared.db.arrays import Rows, by_parts
from shared.db.named import named
from shared.db.statement import Statement

_Sum: TypeAlias = tuple[Place, Sums]
_Segment: TypeAlias = tuple[Cell, CellSums]
_Count: TypeAlias = tuple[Step, int]


_SUMS: Final[Rows[_Sum]] = Rows(tables.funnel, by_parts(Place, Sums), "funnel_")
_STEPS: Final[Rows[_Count]] = Rows(tables.funnel_steps, by_parts(Step) | {"contacts": itemgetter(1)}, "step_")
_CELLS: Final[Rows[_Segment]] = Rows(tables.segments, by_parts(Cell, CellSums), "cell_")
# Parts of one statement; in one order wherever they stand, so that nobody waits for another in a circle.
ADDED: Final = f"""
    funnel_added AS ({_SUMS.added(Place._fields)}),
    funnel_stepped AS ({_STEPS.added(Step._fields)}),
    segments_added AS ({_CELLS.added(Cell._fields)})
"""
_ADD: Final = Statement(f"WITH {ADDED} SELECT 1")
_SUMMED: Final = ", ".join(f"sum({name})::bigint AS {name}" for name in Sums._fields)
_SINCE: Final = sa.text(f"""
    SELECT week, name, stage, advocate, {_SUMMED} FROM funnel
    WHERE dimension = 'source' AND week >= :since GROUP BY week, name, stage, advocate
""")  # noqa: S608 - names of ours
# Anybody can send ever new names: of more rows than these the latest are read.
_CAMPAIGNS: Final = sa.text(f"""
    WITH read AS (
        SELECT * FROM funnel WHERE dimension = 'campaign' AND week >= :since ORDER BY week DESC LIMIT 20000
    ), top AS (SELECT name FROM read GROUP BY name ORDER BY sum(asked) DESC, sum(contacts) DESC, name LIMIT :most)
    SELECT CAST(:since AS date) AS week, name, stage, advocate, {_SUMMED} FROM read JOIN top USING (name)
    GROUP BY name, stage, advocate
""")  # noqa: S608 - names of ours
_STEPS_SINCE: Final = sa.text("""
    SELECT source, stage, bucket, sum(contacts)::bigint AS contacts FROM funnel_steps
    WHERE week >= :since GROUP BY source, stage, bucket
""")


class Row(NamedTuple):
    """The sums of a place."""

    place: Place
    sums: Sums


def arrays(moves: Moves) -> dict[str, list[Any]]:
    """The arguments of ADDED, in one order for all processes."""
    return (
        _SUMS.arrays(sorted(moves.sums.items()))
        | _STEPS.arrays(sorted(moves.steps.items()))
        | _CELLS.arrays(sorted(moves.cells.items()))
    )


async def add(conn: AsyncConnection, moves: Moves) -> None:
    """Add what has moved; the contacts are locked."""
    if any(moves):
        await _ADD.rows(conn, arrays(moves))


async def since(conn: AsyncConnection, week: date) -> list[Row]:
    """By source, of this week and later."""
    rows = await conn.execute(_SINCE, {"since": week})
    return [Row(named(Place, row, dimension="source"), named(Sums, row)) for row in rows]


async def campaigns(conn: AsyncConnection, week: date, most: int) -> list[Row]:
    """By campaign, of those with most leads; all weeks as the first."""
    rows = await conn.execute(_CAMPAIGNS, {"since": week, "most": most})
    return [Row(named(Place, row, dimension="campaign"), named(Sums, row)) for row in rows]


async def steps(conn: AsyncConnection, week: date) -> Mapping[tuple[str, str], Mapping[int, int]]:
    """Of each source and stage: how many came to it, by how long it took them from the stage before."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for row in await conn.execute(_STEPS_SINCE, {"since": week}):
        found.setdefault((row.source, row.stage), {})[row.bucket] = row.contacts
    return found
