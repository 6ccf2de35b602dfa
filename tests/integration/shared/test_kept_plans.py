"""Whatever every lead passes finds an index when Postgres plans it once for all values, as those engines are told to.

Forbidden to read tables from end to end, a plan that does so all the same has no index that it could use.
"""

import re
from collections.abc import AsyncIterator, Iterator
from types import ModuleType

import asyncpg
import pytest

from services.nurture.store import batch as updates
from services.nurture.store import contacts, enrolments
from services.nurture.store.deliveries import claims, deliveries, leases, overdue
from services.scoring.store import bought, funnel, orders
from services.scoring.store.contacts import at_once, finding
from services.scoring.store.contacts import batch as events
from shared.db.database_url import dsn
from shared.db.statement import Statement
from shared.db.tables import offsets

PASSED = {
    "scoring": (finding, events, at_once, orders, bought, funnel, offsets),
    "nurture": (updates, contacts, enrolments, deliveries, claims, leases, overdue, offsets),
}
RARE = {"_RECOUNT"}  # a command's, over everything


def statements(module: ModuleType) -> Iterator[tuple[str, Statement]]:
    for name, value in vars(module).items():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Statement) and name not in RARE:
                yield f"{module.__name__}.{name}", each


@pytest.fixture
async def kept(database: str, service: str) -> AsyncIterator[asyncpg.Connection]:
    settings = {"search_path": service, "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
    conn = await asyncpg.connect(dsn(database), server_settings=settings)
    yield conn
    await conn.close()


@pytest.mark.parametrize("service", PASSED)
async def test_no_table_is_read_from_end_to_end(kept: asyncpg.Connection, service: str) -> None:
    read, asked = {}, 0
    for module in PASSED[service]:
        for name, statement in statements(module):
            asked += 1
            prepared = f"p{asked}"
            await kept.execute(f"PREPARE {prepared} AS {statement.sql}")
            given = ", ".join("NULL" for _ in statement.names)
            plan = await kept.fetch(f"EXPLAIN EXECUTE {prepared}" + (f" ({given})" if given else ""))
            if found := re.findall(r"Seq Scan on (\w+)", "\n".join(line for (line,) in plan)):
                read[name] = found
    assert asked > 9
    assert read == {}
