"""The one Kafka loop on a real broker and a real Postgres: offsets, fences, dead letters, telling again."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db.tables.halts import end
from shared.errors import Permanent, Transient
from shared.events.lanes import Lane
from shared.kafka.loop.consumer import ConsumerLoop
from shared.kafka.loop.parts import SIDE_BY_SIDE
from shared.kafka.loop.watchdog import Stalled
from shared.kafka.producer import Producer
from shared.kafka.records import Handled, Outgoing, Record
from shared.kafka.topics import Topics
from tests.support.copying import Copying, consuming, copies, everything, numbered, poisonous, stored
from tests.support.waiting import until


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    async with copies(database) as engine:
        yield engine


@pytest.fixture
def partitions() -> int:
    return 3


async def dead_offsets(kafka: str, topics: Topics) -> list[bytes]:
    return [headers["origin-offset"] for _, headers in await everything(kafka, topics.dead_letters)]


async def test_each_record_is_handled_and_told_once(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    sent = numbered(topics.events, 300)
    await producer.send_all(sent)
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 300)
    assert await stored(engine) == sorted(out.value.decode() for out in sent)
    told = [value for value, _ in await everything(kafka, topics.updates)]
    assert sorted(told) == sorted(out.value for out in sent)

    async with consuming(engine, kafka, topics, handler, producer):  # a restart finds nothing to do again
        await producer.send_all(numbered(topics.events, 1, "later"))
        await until(lambda: handler.batches[-1] == ["later0000"])
    async with engine.begin() as conn:
        untold = await conn.execute(sa.text("SELECT sum(next_offset - published) FROM consumer_offsets"))
        assert untold.scalar_one() == 0, "nor has anything to tell again"
    assert sum(map(len, handler.batches)) == 301
    assert len(await everything(kafka, topics.updates)) == 301


async def test_live_goes_before_bulk(engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer) -> None:
    await producer.send_all(numbered(topics.events_bulk, 3000, "bulk"))
    await producer.send_all(numbered(topics.events, 50, "live"))
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 3050)
    values = [value for batch in handler.batches for value in batch]
    last_live = max(n for n, value in enumerate(values) if value.startswith("live"))
    assert last_live < 1100, "all live records come within the first two batches"


async def test_while_live_records_come_in_bulk_batches_are_short(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(numbered(topics.events_bulk, 1000, "bulk"))
    await producer.send_all(numbered(topics.events, 5, "live"))
    handler = Copying(topics, work_s=0.001)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 1005)
    bulk = [len(batch) for batch in handler.batches if batch[0].startswith("bulk")]
    first = SIDE_BY_SIDE  # a large batch is settled in so many parts
    assert max(bulk[first:]) <= 25, "what the first one took says how many fit into 25 ms"


async def test_transient_trouble_repeats_the_batch(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(numbered(topics.events, 20))
    handler = Copying(topics, fail_with=[Transient("busy"), Transient("busy")])
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 20)
    assert len(await stored(engine)) == 20
    assert not await everything(kafka, topics.dead_letters)


async def test_a_batch_that_is_too_much_for_a_dependency_is_repeated_in_halves(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    class Overtaxed(Copying):
        async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
            if len(records) > 2:
                raise Transient("a statement took too long")
            return await super().handle(conn, records)

    sent = [Outgoing(topics.events, b"k", f"v{n}".encode()) for n in range(8)]
    await producer.send_all(sent)
    handler = Overtaxed(topics)
    async with consuming(engine, kafka, topics, handler, producer, max_records=8):
        await until(lambda: handler.committed == 8)
    assert len(handler.batches[0]) <= 2
    assert [value for batch in handler.batches for value in batch] == [out.value.decode() for out in sent]


async def test_one_poisonous_record_is_found_and_those_beside_it_are_done(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all([*numbered(topics.events, 40), Outgoing(topics.events, b"k", b"poison")])
    await producer.send_all([*numbered(topics.events, 40, "after"), Outgoing(topics.events, b"k", b"bad one-shop")])
    handler, registry = Copying(topics), CollectorRegistry()
    async with consuming(engine, kafka, topics, handler, producer, registry=registry):
        await until(lambda: sum(map(len, handler.batches)) >= 81)
    assert len(await stored(engine)) == 80
    dead = dict(await everything(kafka, topics.dead_letters))
    assert set(dead) == {b"poison", b"bad one-shop"}
    assert dead[b"poison"]["error-class"] == b"KeyError"
    assert dead[b"poison"]["error-kind"] == b"unforeseen"
    assert dead[b"poison"]["error-message"].startswith(b"KeyError at tests/support/copying.py:")
    assert dead[b"bad one-shop"]["error-message"] == b"it says so"
    assert dead[b"bad one-shop"]["attempt"] == b"1"
    assert dead[b"poison"]["origin-topic"] == topics.events.encode()
    count = "firsthour_consumer_dead_letters_total"
    assert registry.get_sample_value(count, {"kind": "unforeseen", "source": "unknown"}) == 1
    assert registry.get_sample_value(count, {"kind": "permanent", "source": "shop"}) == 1
    assert handler.committed == 81, "what was rolled back is not counted"


async def halts(engine: AsyncEngine) -> dict[str, str]:
    async with engine.begin() as conn:
        return {row.lane: row.cause for row in await conn.execute(sa.text("SELECT lane, cause FROM consumer_halts"))}


async def resume(engine: AsyncEngine, lane: Lane) -> None:
    async with engine.begin() as conn:
        await end(conn, [lane], "failures")


async def test_what_is_foreseen_never_halts(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all([Outgoing(topics.events, b"k", f"bad{n}-shop".encode()) for n in range(1500)])
    await producer.send_all(numbered(topics.events, 1))
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer) as loop:
        await until(lambda: handler.committed == 1501)
        assert loop.missing() == []
    assert len(await stored(engine)) == 1


async def test_strangers_halt_nothing(engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer) -> None:
    await producer.send_all([*poisonous(topics.events, 120, ""), Outgoing(topics.events, b"k", b"good")])
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: ["good"] in handler.batches, 60)
    assert await halts(engine) == {}


async def test_where_there_is_one_sender_nothing_that_works_halts_its_lane(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(poisonous(topics.events, 120, "shop"))
    async with consuming(engine, kafka, topics, Copying(topics), producer) as loop:
        await until(lambda: any("not one of the last 100 records worked" in each for each in loop.missing()), 60)
    assert len(await dead_offsets(kafka, topics)) == 99


async def test_a_bad_deploy_halts_its_lane_alone_until_a_person_says_go_on(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(poisonous(topics.events_bulk, 60, "shop", "crm"))
    handler, registry = Copying(topics), CollectorRegistry()
    async with consuming(engine, kafka, topics, handler, producer, registry=registry) as loop:
        await until(lambda: bool(loop.attention()), 60)
        (reason,) = loop.attention()
        assert "the bulk lane is halted since" in reason
        assert "`firsthour resume --service loop --lane bulk`" in reason
        assert loop.missing() == [], "the live lane goes on"
        await producer.send_all(numbered(topics.events, 30))
        await until(lambda: handler.committed == 30)
    assert registry.get_sample_value("firsthour_consumer_halted", {"lane": "bulk"}) == 1
    assert registry.get_sample_value("firsthour_consumer_halted", {"lane": "live"}) == 0
    assert len(await dead_offsets(kafka, topics)) == 19, "the one too many is not skipped"

    async with consuming(engine, kafka, topics, handler, producer) as loop:  # a restart neither forgets nor repeats it
        await producer.send_all(numbered(topics.events, 1, "later"))
        await until(lambda: ["later0000"] in handler.batches)
        assert loop.attention()
    assert len(await dead_offsets(kafka, topics)) == 19

    class Mended(Copying):
        async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
            return await super().handle(conn, [r._replace(value=r.value.replace(b"poison", b"p")) for r in records])

    mended = Mended(topics)
    async with consuming(engine, kafka, topics, mended, producer) as loop:
        assert loop.attention()
        await resume(engine, "bulk")
        await until(lambda: mended.committed == 41)
        assert loop.attention() == []
    assert await halts(engine) == {}


async def test_a_halted_live_lane_is_missing_and_bulk_goes_on(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all(poisonous(topics.events, 60, "shop", "crm"))
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer) as loop:
        await until(lambda: any("the live lane is halted" in reason for reason in loop.missing()), 60)
        await producer.send_all(numbered(topics.events_bulk, 10))
        await until(lambda: handler.committed == 10)
        await resume(engine, "live")  # though nothing was mended: it halts again, and does not go through them all
        await until(lambda: not any("halted" in reason for reason in loop.missing()))
        await until(lambda: any("halted" in reason for reason in loop.missing()), 60)
    assert len(await dead_offsets(kafka, topics)) == 2 * 19


async def test_committed_but_untold_is_told_on_assignment(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    await producer.send_all([*numbered(topics.events, 10), Outgoing(topics.events, b"k", b"bad")])
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await until(lambda: sum(map(len, handler.batches)) >= 11)
    async with engine.begin() as conn:  # as after a crash between commit and publish
        await conn.execute(sa.text("UPDATE consumer_offsets SET published = 0"))
    for _ in range(2):  # the second finds everything told
        async with consuming(engine, kafka, topics, handler, producer):
            pass
    told = [value for value, _ in await everything(kafka, topics.updates)]
    assert sorted(told) == sorted([out.value for out in numbered(topics.events, 10)] * 2)
    (first, again) = await everything(kafka, topics.dead_letters)
    assert again == first, "byte for byte"


async def committed(engine: AsyncEngine, offset: int) -> bool:
    async with engine.connect() as conn:
        found = await conn.execute(
            sa.text("SELECT 1 FROM consumer_offsets WHERE next_offset = :offset"), {"offset": offset}
        )
        return found.first() is not None


async def test_a_process_whose_offset_was_moved_gives_up_and_takes_the_database_s_word(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    handler = Copying(topics)
    async with consuming(engine, kafka, topics, handler, producer):
        await producer.send_all([Outgoing(topics.events, b"k", b"one")])
        await until(lambda: handler.batches == [["one"]])
        await until(lambda: committed(engine, 1))
        async with engine.begin() as conn:  # another process does the next record, while ours waits for its row
            await conn.execute(
                sa.text(
                    "UPDATE consumer_offsets SET next_offset = 2, last_record = NULL WHERE topic = :t AND next_offset = 1"
                ),
                {"t": topics.events},
            )
            await producer.send_all([Outgoing(topics.events, b"k", b"two")])
        await producer.send_all([Outgoing(topics.events, b"k", b"three")])
        await until(lambda: handler.batches[-1] == ["three"])
    assert await stored(engine) == ["one", "three"]


async def test_two_processes_share_the_partitions(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    first, second = Copying(topics), Copying(topics)
    async with consuming(engine, kafka, topics, first, producer, instance="one"):
        await producer.send_all(numbered(topics.events, 100, "a"))
        async with consuming(engine, kafka, topics, second, producer, instance="two"):
            await producer.send_all(numbered(topics.events, 500, "b"))
            await until(lambda: sum(map(len, first.batches)) + sum(map(len, second.batches)) >= 600)
    assert len(await stored(engine)) == 600


async def test_an_answer_too_large_for_kafka_is_a_dead_letter_not_a_crash_loop(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    class Inflating(Copying):
        async def handle(self, conn: AsyncConnection, records: Sequence[Record]) -> Handled:
            handled = await super().handle(conn, records)
            return Handled([out._replace(value=out.value * 300_000) for out in handled.outgoing], handled.dead)

    await producer.send_all([Outgoing(topics.events, b"k", b"large")])
    async with consuming(engine, kafka, topics, Inflating(topics), producer):

        async def buried() -> bool:
            return [value for value, _ in await everything(kafka, topics.dead_letters)] == [b"large"]

        await until(buried)
    assert await stored(engine) == []


async def test_a_message_too_large_is_refused_with_the_reason(topics: Topics, producer: Producer) -> None:
    with pytest.raises(Permanent, match="larger"):
        await producer.send(Outgoing(topics.events, b"k", b"x" * 2_000_000))


async def test_without_kafka_a_send_says_so_at_once() -> None:
    producer = Producer("127.0.0.1:1", client_id="test")
    with pytest.raises(Transient):
        await producer.send(Outgoing("any", None, b""))


async def test_with_lag_and_no_progress_it_ends_so_that_somebody_starts_it_anew(
    engine: AsyncEngine, kafka: str, topics: Topics, producer: Producer
) -> None:
    class Hanging(Copying):
        async def handle(self, _conn: AsyncConnection, _records: Sequence[Record]) -> Handled:
            await asyncio.Event().wait()
            raise AssertionError

    await producer.send_all(numbered(topics.events, 5))
    loop = ConsumerLoop(
        engine=engine,
        bootstrap=kafka,
        service="loop",
        group=f"{topics.prefix}loop",
        instance="one",
        live=[topics.events],
        bulk=[],
        handler=Hanging(topics),
        producer=producer,
        dead_letters=topics.dead_letters,
        stalled_s=1.0,
    )
    with pytest.raises(Stalled, match="5 records behind"):
        await asyncio.wait_for(loop.run(asyncio.Event()), 60)
