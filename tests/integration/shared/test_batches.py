"""One batch, one transaction: what is committed with it, and what is known to be published by then."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db.engine import make_engine
from shared.db.tables import offsets
from shared.errors import Transient
from shared.kafka.loop.batches import Batches, GiveUp
from shared.kafka.loop.lanes import Lanes
from shared.kafka.loop.metrics import LoopMetrics
from shared.kafka.loop.position import fingerprint
from shared.kafka.loop.publishing import Publishing
from shared.kafka.producer import Producer
from shared.kafka.records import AtOnce, DeadLetter, HandleAtOnce, Handled, Handler, Outgoing, Record, Sender
from shared.kafka.topics import MAX_MESSAGE_BYTES

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


def batches(engine: AsyncEngine, handler: Handler | None = None, at_once: HandleAtOnce | None = None) -> Batches:
    """Of a process that has adopted the partitions, and lost Kafka."""
    metrics = LoopMetrics(CollectorRegistry())
    publishing = Publishing(engine, Producer("127.0.0.1:1", client_id="test"))
    publishing.begin({PLACE: 0, OTHER: 0})
    lanes = Lanes(engine, "scoring", ["t"], metrics)
    made = Batches(
        engine, handler or Copying(), publishing, lanes, metrics, dead_letters="dead", group="scoring", at_once=at_once
    )
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


ALONE = Handled([Outgoing("copies", b"k", b"v")])
REFUSED = Handled(dead=[DeadLetter(Record("t", 0, 0, None, b"", 0), "Permanent", "no")])
LARGE = Handled([Outgoing("copies", b"k", bytes(MAX_MESSAGE_BYTES))])


class Noting(Copying):
    """Notes each record, and by which of the two ways it came."""

    def __init__(self, *answers: Handled | Exception | None, given: str = "true", holds: str = "true") -> None:
        """What it says to batches of few records, one after the other; the last one stands."""
        self.answers = list(answers)
        self.asked: list[int] = []
        self.committed = 0
        self.statement = offsets.with_offsets(
            f"written AS (INSERT INTO noted SELECT * FROM unnest(CAST(:noted AS text[])) WHERE {offsets.GIVEN} RETURNING 1)",
            given=given,
            holds=holds,
        )

    async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
        for record in records:
            await conn.execute(sa.text("INSERT INTO noted VALUES (:how)"), {"how": f"{record.offset} in a transaction"})
        return Handled()

    async def at_once(self, _conn: AsyncConnection, records: Sequence[Record]) -> AtOnce | None:
        self.asked.append(len(records))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            return None
        values = {"noted": [f"{record.offset} alone" for record in records]}
        return AtOnce(replace(answer, after_commit=self._count), self.statement, values)

    def _count(self) -> None:
        self.committed += 1


@pytest.fixture
async def noted(engine: AsyncEngine) -> AsyncEngine:
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE noted (how text)"))
    return engine


async def ways(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as conn:
        return sorted((await conn.execute(sa.text("SELECT how FROM noted"))).scalars())


async def test_few_records_are_settled_by_one_statement_and_many_in_a_transaction(noted: AsyncEngine) -> None:
    handler = Noting(Handled())
    settling = batches(noted, handler, handler.at_once)
    await settling.settle([a_record(0), a_record(1), a_record(0, 1)])
    await settling.settle([a_record(offset) for offset in range(2, 19)])
    assert handler.asked == [3]
    assert await ways(noted) == sorted(
        ["0 alone", "1 alone", "0 alone", *(f"{offset} in a transaction" for offset in range(2, 19))]
    )
    assert handler.committed == 1
    assert (await progress(noted))[:2] == (19, 19), "nothing was to be published"
    assert (await progress(noted, OTHER))[:2] == (1, 1)
    assert (await progress(noted, OTHER)).last_record == fingerprint(a_record(0, 1))


async def test_what_one_statement_wrote_is_published_like_any_other(noted: AsyncEngine) -> None:
    handler = Noting(ALONE)
    settling = batches(noted, handler, handler.at_once)
    await settling.settle([a_record(0)])
    assert (await progress(noted))[:2] == (1, 0), "Kafka is away"
    with pytest.raises(GiveUp):
        await settling.settle([a_record(1)])


@pytest.mark.parametrize(
    "answer", [None, ValueError("a rule"), REFUSED, LARGE], ids=["not so", "raises", "a dead letter", "too large"]
)
async def test_what_cannot_be_settled_so_is_settled_in_a_transaction(noted: AsyncEngine, answer: Any) -> None:
    handler = Noting(answer)
    await batches(noted, handler, handler.at_once).settle([a_record(0)])
    assert await ways(noted) == ["0 in a transaction"]
    assert handler.committed == 0


async def test_a_statement_whose_ground_has_changed_writes_nothing(noted: AsyncEngine) -> None:
    handler = Noting(Handled(), holds="(SELECT count(*) FROM written) = 7")
    await batches(noted, handler, handler.at_once).settle([a_record(0), a_record(1)])
    assert await ways(noted) == ["0 in a transaction", "1 in a transaction"]
    assert handler.committed == 0
    assert (await progress(noted)).next_offset == 2


async def test_a_statement_that_finds_other_ground_than_it_needs_writes_nothing_and_is_no_error(
    noted: AsyncEngine,
) -> None:
    handler = Noting(Handled(), given="EXISTS (SELECT FROM noted)", holds="(SELECT count(*) FROM written) = 1")
    settling = batches(noted, handler, handler.at_once)
    async with noted.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        step = offsets.Advance(*PLACE, 0, 1, 0, b"")
        assert not await offsets.write_with(conn, handler.statement, {"noted": ["?"]}, [step])
    assert (await progress(noted)).next_offset == 0
    for offset in range(2):
        await settling.settle([a_record(offset)])
    assert await ways(noted) == ["0 in a transaction", "1 alone"]
    assert handler.committed == 1


async def test_a_statement_writes_nothing_when_another_process_moved_the_offset(noted: AsyncEngine) -> None:
    handler = Noting(Handled())
    settling = batches(noted, handler, handler.at_once)
    async with noted.begin() as conn:
        await conn.execute(sa.text("UPDATE consumer_offsets SET next_offset = 5 WHERE partition = 1"))
    with pytest.raises(GiveUp, match="another process"):
        await settling.settle([a_record(0), a_record(0, 1)])
    assert await ways(noted) == []
    assert handler.committed == 0


async def test_a_lost_dependency_is_no_reason_to_try_the_other_way(noted: AsyncEngine) -> None:
    handler = Noting(Transient("away"), Handled())
    settling = batches(noted, handler, handler.at_once)
    with pytest.raises(GiveUp, match="away"):
        await settling.settle([a_record(0)])
    assert await ways(noted) == []
