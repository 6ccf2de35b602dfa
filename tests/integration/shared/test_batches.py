"""One batch, one transaction: what is committed with it, and what is known to be published by then."""

from collections.abc import AsyncIterator, Sequence

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db.engine import make_engine
from shared.db.tables import offsets
from shared.kafka.loop.batches import Batches, GiveUp
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.position import fingerprint
from shared.kafka.loop.publishing import Publishing
from shared.kafka.producer import Producer
from shared.kafka.records import Handled, Handler, Outgoing, Record, Sender

PLACE, OTHER = ("t", 0), ("t", 1)


class Copying:
    """Publishes each record as it came."""

    async def handle(self, _conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        return Handled([Outgoing("copies", record.key, record.value) for record in records])

    async def unpublished(self, *_place: object) -> Sequence[Outgoing]:
        return []

    def sender(self, _record: Record) -> Sender:
        return Sender("shop", trusted=True)


class Silent(Copying):
    """Publishes nothing of what is no digit."""

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        return await super().handle(conn, [record for record in records if record.value.isdigit()])


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database, application="test", schema="scoring")
    async with engine.begin() as conn:
        await offsets.claim(conn, {PLACE: 0, OTHER: 0})
    yield engine
    await engine.dispose()


def batches(engine: AsyncEngine, handler: Handler | None = None) -> Batches:
    """Of a process that has adopted the partitions, and lost Kafka."""
    metrics = LoopMetrics(CollectorRegistry())
    publishing = Publishing(engine, Producer("127.0.0.1:1", client_id="test"))
    publishing.begin({PLACE: 0, OTHER: 0})
    lanes = Lanes(engine, "scoring", ["t"], metrics)
    made = Batches(engine, handler or Copying(), publishing, lanes, metrics, dead_letters="dead", group="scoring")
    made.next[PLACE] = made.next[OTHER] = 0
    return made


def a_record(offset: int, partition: int = 0, value: bytes | None = None) -> Record:
    return Record("t", partition, offset, None, value or b"%d" % offset, 1000 + offset)


async def progress(engine: AsyncEngine, place: tuple[str, int] = PLACE) -> offsets.Progress:
    async with engine.connect() as conn:
        return (await offsets.read(conn, [place]))[place]


async def test_a_batch_that_is_committed_is_not_yet_published(engine: AsyncEngine) -> None:
    settling = batches(engine)
    await settling.settle([a_record(0), a_record(1)])
    assert await progress(engine) == offsets.Progress(2, 0, 0, fingerprint(a_record(1)))
    with pytest.raises(GiveUp):  # as the one before it is not acknowledged
        await settling.settle([a_record(2)])
    assert (await progress(engine)).published == 0


async def test_of_what_says_nothing_the_mark_moves_with_the_offset(engine: AsyncEngine) -> None:
    settling = batches(engine, Silent())
    for offset in range(2):
        await settling.settle([a_record(offset, value=b"said"), a_record(offset, 1, b"said")])
    assert [(await progress(engine, place))[:2] for place in (PLACE, OTHER)] == [(2, 2), (2, 2)]


async def test_what_says_nothing_moves_no_mark_past_what_is_not_acknowledged(engine: AsyncEngine) -> None:
    settling = batches(engine, Silent())
    await settling.settle([a_record(0)])
    await settling.settle([a_record(0, 1, b"said")])
    with pytest.raises(GiveUp):
        await settling.settle([a_record(1, value=b"said"), a_record(1, 1, b"said")])
    assert [(await progress(engine, place)).published for place in (PLACE, OTHER)] == [0, 1]


@pytest.mark.parametrize("offsets_read", [(1,), (0, 2), (0, 0)])
async def test_what_was_read_from_the_wrong_place_is_not_settled(
    engine: AsyncEngine, offsets_read: Sequence[int]
) -> None:
    with pytest.raises(GiveUp, match="was due"):
        await batches(engine).settle([a_record(each) for each in offsets_read])
    assert (await progress(engine)).next_offset == 0
