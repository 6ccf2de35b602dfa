"""How far each partition is, as rows: claimed once, moved by compare-and-set, published never further than committed."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db.engine import make_engine
from shared.db.tables import halts, offsets
from shared.db.tables.offsets import Advance
from shared.kafka.loop.halting import WINDOW
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.records import Sender
from tests.support.waiting import until

ONE, TWO = TopicPartition("t", 1), TopicPartition("t", 2)


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    yield engine
    await engine.dispose()


async def advance(engine: AsyncEngine, *steps: tuple[TopicPartition, int, int, int]) -> bool:
    """Partition, expected, next and published offsets; rolled back when somebody was faster."""
    async with engine.connect() as conn, conn.begin() as transaction:
        done = await offsets.advance(
            conn,
            [
                Advance(each.topic, each.partition, expected, end, published, b"last")
                for each, expected, end, published in steps
            ],
        )
        if not done:
            await transaction.rollback()
        return done


async def progress(engine: AsyncEngine) -> dict[TopicPartition, tuple[int, int]]:
    async with engine.connect() as conn:
        read = await offsets.read(conn, [ONE, TWO])
    return {partition: (each.next_offset, each.published) for partition, each in read.items()}


async def test_a_partition_begins_where_its_log_does_and_is_claimed_once(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        claimed = await offsets.claim(conn, {TWO: 7, ONE: 0})
        assert {each: (p.next_offset, p.published, p.base, p.last_record) for each, p in claimed.items()} == {
            ONE: (0, 0, 0, None),
            TWO: (7, 7, 0, None),
        }
        again = await offsets.claim(conn, {TWO: 9})
        assert again == {TWO: claimed[TWO]}


async def test_all_partitions_of_a_batch_move_or_none(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await offsets.claim(conn, {ONE: 0, TWO: 0})
    assert await advance(engine, (TWO, 0, 5, 0), (ONE, 0, 3, 0))
    assert not await advance(engine, (ONE, 3, 6, 3), (TWO, 4, 6, 4)), "another process has done the fifth"
    assert await progress(engine) == {ONE: (3, 0), TWO: (5, 0)}
    assert await advance(engine, (ONE, 3, 6, 3))
    assert await advance(engine, (ONE, 6, 7, 1)), "what is published stays so"
    assert await progress(engine) == {ONE: (7, 3), TWO: (5, 0)}
    async with engine.connect() as conn:
        assert {each.last_record for each in (await offsets.read_all(conn)).values()} == {b"last"}


async def test_nothing_is_published_that_is_not_committed_and_nothing_goes_back(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await offsets.claim(conn, {ONE: 0, TWO: 0})
    await advance(engine, (ONE, 0, 5, 0))
    for published, stored in ((3, 3), (2, 3), (9, 5)):
        async with engine.begin() as conn:
            await offsets.mark_published(conn, {ONE: published})
        assert await progress(engine) == {ONE: (5, stored), TWO: (0, 0)}


async def test_another_log_is_taken_up_unless_somebody_has_moved_meanwhile(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        before = (await offsets.claim(conn, {ONE: 5}))[ONE]
        after = before._replace(next_offset=9, base=9)
        await offsets.advance(conn, [Advance(ONE.topic, ONE.partition, 5, 6, 5, b"last")])
        assert not await offsets.take_up(conn, ONE, before, after)
        before = (await offsets.read(conn, [ONE]))[ONE]
        assert not await offsets.take_up(conn, ONE, before._replace(base=1), after), "it was taken up already"
        assert await offsets.take_up(conn, ONE, before, after)
        taken = (await offsets.read(conn, [ONE]))[ONE]
    assert (taken.next_offset, taken.base, taken.last_record) == (9, 9, None)


async def test_a_halt_is_seen_by_other_processes_keeps_its_first_reason_and_ends_by_its_cause(
    engine: AsyncEngine,
) -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    one, other = (Lanes(engine, "scoring", ["t"], LoopMetrics(registry)) for registry in registries)
    assert await other.look() == set()
    assert (one.of("t"), one.of("t.bulk")) == ("live", "bulk")
    failing = Sender("shop", trusted=True)
    for _ in range(WINDOW):
        other.failed("bulk", failing)
    assert other.verdict("bulk", [failing])
    assert not other.verdict("live", [failing]), "each lane counts its own"
    await one.halt("bulk", "failures", "many fail")
    await one.halt("bulk", "position", "later")
    assert one.halted("bulk")
    assert not one.halted("live")
    (reason,) = one.reasons("bulk")
    assert "the bulk lane is halted since" in reason
    assert "many fail" in reason
    assert "firsthour resume --service scoring --lane bulk" in reason
    assert one.reasons("live") == []
    assert not other.halted("bulk"), "it has not looked again"
    await until(lambda: _changed(other))
    async with engine.begin() as conn:
        assert await halts.end(conn, ["live", "bulk"], "position") == []
        (ended,) = await halts.end(conn, ["bulk"], "failures")
    assert ended.reason == "many fail"
    await until(lambda: _changed(other))
    assert not other.halted("bulk")
    assert not other.verdict("bulk", [failing]), "a person has seen what failed before"


async def _changed(lanes: Lanes) -> bool:
    return await lanes.look() == {"bulk"}


async def test_what_worked_outweighs_what_failed_before(engine: AsyncEngine) -> None:
    lanes = Lanes(engine, "scoring", ["t"], LoopMetrics(CollectorRegistry()))
    shop, crm = Sender("shop", trusted=True), Sender("crm", trusted=True)
    for _ in range(WINDOW // 2):
        lanes.failed("live", shop)
        lanes.failed("live", crm)
    lanes.worked("live", 1)
    assert lanes.verdict("live", [shop])
    lanes.worked("live", 10 * WINDOW)
    assert not lanes.verdict("live", [shop])


async def test_no_statement_waits_for_ever_and_times_are_in_utc(engine: AsyncEngine) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone", "search_path")
    async with engine.connect() as conn:
        said = [(await conn.execute(sa.text(f"SHOW {name}"))).scalar_one() for name in names]
    assert said == ["30s", "10s", "30s", "UTC", "scoring"]
